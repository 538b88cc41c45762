# shellcheck shell=bash
# Run as persist.service, see persist.nix. SYSROOT is set in the initrd, where the real root is mounted there.

root=${SYSROOT:-}
device=/dev/disk/by-partlabel/PERSIST
notice=/run/ollamalive/notices/persist
mkdir -p "$root/persist" "${notice%/*}"

mount_persist() {
  if ! udevadm wait --settle --timeout=5 "$device" 2>/dev/null; then
    reason="there is no partition of that name (is the stick too small?)"
    return 1
  fi

  # Only what is empty is formatted: with no trace of a file system, partition table, anything.
  if ! found=$(wipefs --noheadings --output TYPE "$device"); then
    reason="it cannot be read"
    return 1
  fi
  case $found in
    ext4) ;;
    "")
      echo "PERSIST is empty: making its file system"
      mkfs.ext4 -q -L PERSIST "$device" || true
      ;;
    *)
      reason="it is not ext4 but $(echo $found), which is left alone"
      return 1
      ;;
  esac

  # Repairs what a power cut left behind, and follows a partition that has grown.
  fsck.ext4 -p "$device" || true
  resize2fs "$device" >/dev/null 2>&1 || true
  if ! mount -t ext4 -o noatime "$device" "$root/persist"; then
    reason="it does not mount (see: journalctl -b -u persist)"
    return 1
  fi
}

if ! mountpoint -q "$root/persist"; then
  rm -f "$notice"
  if ! mount_persist; then
    echo "PERSIST cannot be used: $reason. Everything works, but NOTHING IS KEPT after a reboot." | tee "$notice"
    mount -t tmpfs -o size=50%,mode=0755 tmpfs "$root/persist"
  fi
fi

cd "$root/persist"
install -d -m 0755 home images journal nixos ssh
install -d -m 0710 docker
install -d -m 0700 network
# sshd reads it as the user who logs in, and trusts it only while it is root's.
if [ -e ssh/authorized_keys ]; then
  chown 0:0 ssh/authorized_keys
  chmod 0644 ssh/authorized_keys
fi

# The journal is filed under it, and DHCP servers know the machine by it. Read by the first process
# of the real system, so it has to be in place before that starts.
if [ -n "$root" ]; then
  [ -s machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > machine-id
  install -D -m 0444 machine-id "$root/etc/machine-id"
fi
