# shellcheck shell=bash
# What update.sh and trial.sh share. versions.nix sets, in front of this text:
#   boot    the folder where the ESP is mounted while one of them uses it
#   undone  the folder that says why versions were undone: a file with the version's name for each
: "${boot:?}" "${undone:?}"

run=/run/ollamalive

# The version that runs.
runs() {
  sed -n 's/^IMAGE_VERSION="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release
}

# Mounts the ESP with the option $1, for as long as this shell runs: nothing else may mount it meanwhile (esp.sh). Returns 1 if
# something else has it, 2 if it cannot be mounted.
mount_boot() {
  mkdir -p "$boot"
  exec 9> "$run/esp.lock"
  flock --timeout 120 9 || return 1
  # One who was killed has left it mounted.
  umount "$boot" 2>/dev/null || true
  mount -t vfat -o "$1",nosuid,nodev,noexec,umask=077,utf8 /dev/ollamalive/ESP "$boot" 2>/dev/null || return 2
}
