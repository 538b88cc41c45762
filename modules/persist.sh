# shellcheck shell=bash
# Runs as persist.service (persist.nix). In the initrd, SYSROOT is the mount point of the real root.

root=${SYSROOT:-}
device=/dev/ollamalive/PERSIST
notice=/run/ollamalive/notices/persist
mkdir -p "$root/persist" "${notice%/*}"

# Finds the partition on the stick that this machine booted from. Without such a stick, takes the only partition named
# PERSIST on any disk, and uses it unchanged.
find_persist() {
  # All partitions of a stick appear together: one that is missing when udev has settled does not appear later. Without
  # a stick, a short wait is enough.
  if [ -b /dev/ollamalive/stick ]; then
    udevadm settle --timeout=20 || true
  else
    udevadm wait --settle --timeout=5 "$device" 2>/dev/null || true
  fi
  if [ -b "$device" ]; then
    esp=$(lsblk --nodeps --noheadings --output PARTUUID /dev/ollamalive/ESP 2>/dev/null || true)
    if [ "$(lsblk --noheadings --raw --output PARTUUID | grep -cix "${esp:-none}")" -gt 1 ]; then
      reason="two sticks with the same image are plugged in, and it is unclear which one this machine booted from: unplug one and restart"
      return 1
    fi
    return 0
  fi
  mapfile -t others < <(lsblk --noheadings --raw --paths --output NAME,PARTLABEL,LABEL |
    while read -r name labels; do
      case " $labels " in *" PERSIST "*) echo "$name" ;; esac
    done)
  case ${#others[@]} in
    0) reason="no partition has that name (is the stick too small?)" ;;
    1)
      device=${others[0]}
      # It may belong to another system, so it is not formatted.
      [ "$(wipefs --noheadings --output TYPE "$device")" = ext4 ] && return 0
      reason="$device has that name, but does not contain an ext4 file system"
      ;;
    *) reason="${#others[@]} partitions have that name, and none is on a stick that this machine booted from" ;;
  esac
  return 1
}

# Finds a backup superblock. ext4 keeps several, so a file system that lost its first blocks can be recognized.
superblock_copy() {
  for place in 32768:4096 8193:1024; do
    # dumpe2fs prints the copy even if it reports errors.
    if dumpe2fs -h -o "superblock=${place%:*}" -o "blocksize=${place#*:}" "$device" 2>/dev/null | grep -q UUID; then
      copy="-b ${place%:*} -B ${place#*:}"
      return 0
    fi
  done
  return 1
}

file_system_bytes() {
  local name value count=0 size=0
  while IFS=: read -r name value; do
    case $name in
      "Block count") count=$((value)) ;;
      "Block size") size=$((value)) ;;
    esac
  done < <(dumpe2fs -h "$device" 2>/dev/null)
  echo $((count * size))
}

# Where a file system may end at most: 2 MiB before its partition. Windows' diskpart and Etcher empty the first and the last
# MiB of a stick before an image is written to it.
most_bytes() {
  echo $((($(blockdev --getsize64 "$device") - 2 * 1024 * 1024) / 4096 * 4096))
}

mount_persist() {
  find_persist || return 1

  # Only an empty partition is formatted: one without any signature of a file system, partition table or the like.
  if ! found=$(wipefs --noheadings --output TYPE "$device"); then
    reason="$device cannot be read"
    return 1
  fi
  if [ "$(blockdev --getro "$device")" = 1 ]; then
    reason="the stick is write-protected"
    # The authorized keys and the host keys can still be read.
    if [ "$found" = ext4 ] && mount -t ext4 -o ro,noload "$device" "$root/persist"; then
      identity=/run/ollamalive/identity
      # shellcheck disable=SC2174 # The parent exists: the notices are in it.
      mkdir -p -m 0700 "$identity"
      cp -a "$root/persist/ssh" "$identity/" || true
      umount "$root/persist"
    fi
    return 1
  fi
  case $found in
    ext4) ;;
    "")
      if superblock_copy; then
        reason="its file system has lost its beginning and was left untouched (fsck.ext4 $copy $device may repair it)"
        return 1
      fi
      if [ "$(blockdev --getsize64 "$device")" -lt 33554432 ]; then
        reason="it could not be enlarged (is the stick too small? see: journalctl -b -u systemd-repart)"
        return 1
      fi
      echo "PERSIST is empty: making its file system"
      if ! mkfs.ext4 -q -b 4096 -L PERSIST "$device" $(($(most_bytes) / 4096)); then
        reason="creating a file system on $device failed"
        return 1
      fi
      ;;
    *)
      # shellcheck disable=SC2086,SC2116 # Puts several signatures on one line.
      reason="it contains $(echo $found) instead of ext4, and was left untouched"
      return 1
      ;;
  esac

  if [ "$(file_system_bytes)" -gt "$(blockdev --getsize64 "$device")" ]; then
    reason="its file system is longer than the stick (was it copied from a larger one?) and was left untouched"
    return 1
  fi
  # Repairs the effects of a power cut. An exit status of 4 or more means errors that -p does not repair.
  damage=0
  fsck.ext4 -p "$device" || damage=$?
  if [ "$damage" -ge 4 ]; then
    reason="its file system is damaged and was left untouched (fsck.ext4 $device may repair it)"
    return 1
  fi
  if ! mount -t ext4 -o noatime "$device" "$root/persist"; then
    reason="it cannot be mounted (see: journalctl -b -u persist)"
    return 1
  fi
  # Earlier versions made file systems that end with their partition. Those stay as they are.
  if [ "$(file_system_bytes)" -lt "$(most_bytes)" ]; then
    resize2fs "$device" "$(($(most_bytes) / 1024))K" >/dev/null 2>&1 || true
  fi
}

if ! mountpoint -q "$root/persist"; then
  rm -f "$notice"
  if mount_persist; then
    if [ "$(df --output=avail "$root/persist" | tail -n 1)" -lt 1024 ]; then
      echo "PERSIST is full: new data may be lost. Delete something under /persist." | tee "$notice"
      # At every boot NixOS writes here before it creates the users. On a full disk that fails, and no login would work.
      if [ -d "$root/persist/nixos" ]; then
        cp -a "$root/persist/nixos" /run/ollamalive/nixos
        mount --bind /run/ollamalive/nixos "$root/persist/nixos"
      fi
    fi
  else
    echo "PERSIST cannot be used: $reason. Everything works, but NOTHING IS KEPT after a reboot." | tee "$notice"
    mount -t tmpfs -o size=50%,mode=0755 tmpfs "$root/persist"
    if [ -d "${identity:-}/ssh" ]; then cp -a "$identity/ssh" "$root/persist/"; fi
  fi
fi

# shellcheck disable=SC2164 # systemd units run their scripts with bash -e.
cd "$root/persist"
# On a full disk these fail; the existing folders are still used.
install -d -o 0 -g 0 -m 0755 home journal nixos ssh timers || true
install -d -o 0 -g 0 -m 0710 docker || true
install -d -o 0 -g 0 -m 0700 network || true
# The owner, who is in the group users (100), copies archives to it.
install -d -o 0 -g 100 -m 0775 images || true

# What `chmod -R` or `chown -R` on /persist has changed: sshd ignores keys that others could have written, does not start
# with host keys that others can read, and NetworkManager ignores connections that others can read.
repair() {
  local mode=$1 file
  shift
  for file; do
    if [ -f "$file" ] && [ ! -L "$file" ]; then
      chown 0:0 "$file"
      chmod "$mode" "$file"
    fi
  done
}
chown 0:0 . || true
chmod 0755 . || true
repair 0644 ssh/authorized_keys ssh/taken-from-esp ssh/*.pub || true
repair 0600 ssh/ssh_host_*_key network/* || true
chmod go-w home/* home/*/.ssh home/*/.ssh/authorized_keys 2>/dev/null || true

# The machine ID names the journal's folder and identifies the machine to DHCP servers. PID 1 of the real system reads
# it, so it has to exist before that starts.
if [ -n "$root" ]; then
  [ -s machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > machine-id || true
  if [ -s machine-id ]; then install -D -m 0444 machine-id "$root/etc/machine-id"; fi
fi
