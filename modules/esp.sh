# shellcheck shell=bash
# Runs as esp-import.service (esp.nix), after the other esp-*.sh: takes the owner's files from the stick's FAT partition.

run=/run/ollamalive
esp=$run/esp
# shellcheck disable=SC2034 # esp-files.sh uses it.
persist=/persist
notice=$run/notices/files
mkdir -p "$esp" "${notice%/*}"
exec 9> "$run/esp.lock"
flock --timeout 120 9

if ! mount -t vfat -o ro,nosuid,nodev,noexec,umask=077,utf8 /dev/ollamalive/ESP "$esp"; then
  : > "$run/files"
  echo "The stick's first partition (ESP) cannot be read, so no key and no connection on it was taken. Repair it in Windows, or\
 flash the stick again." | tee "$notice"
  exit 0
fi
trap 'umount "$esp"' EXIT
handle_all
problems > "$notice"
[ -s "$notice" ] || rm -f "$notice"
