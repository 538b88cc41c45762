# shellcheck shell=bash
# What update.sh and trial.sh share. versions.nix sets:
#   boot    the folder where the ESP is mounted while one of them uses it
#   undone  the folder with the reasons why versions were undone, each in a file named after the version
: "${boot:?}" "${undone:?}"

run=/run/ollamalive

# Prints the running version.
runs() {
  sed -n 's/^IMAGE_VERSION="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release
}

# Mounts the ESP on $boot with the option $1 (ro or rw). Holds the ESP's lock until this shell exits, so that nothing else mounts
# it (esp.sh). Returns 1 if the lock is not free within 120 s, 2 if the ESP cannot be mounted.
mount_boot() {
  mkdir -p "$boot"
  exec 9> "$run/esp.lock"
  flock --timeout 120 9 || return 1
  # A run that was killed may have left it mounted.
  umount "$boot" 2>/dev/null || true
  mount -t vfat -o "$1",nosuid,nodev,noexec,umask=077,utf8 /dev/ollamalive/ESP "$boot" || return 2
}
