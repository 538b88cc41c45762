# shellcheck shell=bash
# Run as persist.service, see persist.nix. SYSROOT is set in the initrd, where the real root is mounted there.

root=${SYSROOT:-}
device=/dev/ollamalive/PERSIST
notice=/run/ollamalive/notices/persist
mkdir -p "$root/persist" "${notice%/*}"

# The partition of the stick that this machine was started from; without one, the only partition of that name on any
# other disk, which is used as it is.
find_persist() {
  # A stick is known with all its partitions: what is not there when udev has come to rest does not come later. Where
  # no stick is known, nobody has to wait long for one.
  if [ -b /dev/ollamalive/stick ]; then
    udevadm settle --timeout=20 || true
  else
    udevadm wait --settle --timeout=5 "$device" 2>/dev/null || true
  fi
  if [ -b "$device" ]; then
    esp=$(lsblk --nodeps --noheadings --output PARTUUID /dev/ollamalive/ESP 2>/dev/null || true)
    if [ "$(lsblk --noheadings --raw --output PARTUUID | grep -cix "${esp:-none}")" -gt 1 ]; then
      reason="two sticks with the same image are plugged in, and which of them this machine was started from cannot be told: pull one out and restart"
      return 1
    fi
    return 0
  fi
  mapfile -t others < <(lsblk --noheadings --raw --paths --output NAME,PARTLABEL,LABEL |
    while read -r name labels; do
      case " $labels " in *" PERSIST "*) echo "$name" ;; esac
    done)
  case ${#others[@]} in
    0) reason="there is no partition of that name (is the stick too small?)" ;;
    1)
      device=${others[0]}
      # It may be somebody else's: whatever is missing on it is not made.
      [ "$(wipefs --noheadings --output TYPE "$device")" = ext4 ] && return 0
      reason="$device has that name, but no ext4 file system"
      ;;
    *) reason="${#others[@]} partitions have that name, and none is on the stick that this machine was started from" ;;
  esac
  return 1
}

# The first blocks of a file system can be lost and the rest be there: ext4 keeps copies of its superblock.
superblock_copy() {
  for place in 32768:4096 8193:1024; do
    # It complains of what is lost, and shows the copy all the same.
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

mount_persist() {
  find_persist || return 1

  # Only what is empty is formatted: with no trace of a file system, partition table, anything.
  if ! found=$(wipefs --noheadings --output TYPE "$device"); then
    reason="$device cannot be read"
    return 1
  fi
  if [ "$(blockdev --getro "$device")" = 1 ]; then
    reason="the stick is write-protected"
    # Who may log in, and who this machine is, can still be read.
    if [ "$found" = ext4 ] && mount -t ext4 -o ro,noload "$device" "$root/persist"; then
      identity=/run/ollamalive/identity
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
        reason="its file system has lost its beginning, and is left alone (fsck.ext4 $copy $device may repair it)"
        return 1
      fi
      if [ "$(blockdev --getsize64 "$device")" -lt 33554432 ]; then
        reason="it could not be enlarged (is the stick too small? see: journalctl -b -u systemd-repart)"
        return 1
      fi
      echo "PERSIST is empty: making its file system"
      if ! mkfs.ext4 -q -b 4096 -L PERSIST "$device"; then
        reason="no file system could be made on $device"
        return 1
      fi
      ;;
    *)
      reason="it is not ext4 but $(echo $found), which is left alone"
      return 1
      ;;
  esac

  if [ "$(file_system_bytes)" -gt "$(blockdev --getsize64 "$device")" ]; then
    reason="its file system is longer than the stick (was it copied from a larger one?), and is left alone"
    return 1
  fi
  # Repairs what a power cut left behind. From 4 on it found more than it may mend by itself.
  damage=0
  fsck.ext4 -p "$device" || damage=$?
  if [ "$damage" -ge 4 ]; then
    reason="its file system is damaged, and is left alone (fsck.ext4 $device may repair it)"
    return 1
  fi
  if ! mount -t ext4 -o noatime "$device" "$root/persist"; then
    reason="it does not mount (see: journalctl -b -u persist)"
    return 1
  fi
  # Follows a partition that has grown.
  resize2fs "$device" >/dev/null 2>&1 || true
}

if ! mountpoint -q "$root/persist"; then
  rm -f "$notice"
  if mount_persist; then
    if [ "$(df --output=avail "$root/persist" | tail -n 1)" -lt 1024 ]; then
      echo "PERSIST is full: what is written now may be lost. Delete something under /persist." | tee "$notice"
      # NixOS writes here before it makes the users, at every start: on a full disk nobody could log in.
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

cd "$root/persist"
# On a full disk only what is there can be used.
install -d -m 0755 home images journal nixos ssh || true
install -d -m 0710 docker || true
install -d -m 0700 network || true
# sshd reads it as the user who logs in, and trusts it only while it is root's.
if [ -e ssh/authorized_keys ]; then
  chown 0:0 ssh/authorized_keys
  chmod 0644 ssh/authorized_keys
fi

# The journal is filed under it, and DHCP servers know the machine by it. Read by the first process
# of the real system, so it has to be in place before that starts.
if [ -n "$root" ]; then
  [ -s machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > machine-id || true
  if [ -s machine-id ]; then install -D -m 0444 machine-id "$root/etc/machine-id"; fi
fi
