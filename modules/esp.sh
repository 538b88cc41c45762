# shellcheck shell=bash
# Run as esp-import.service, see esp.nix: takes over what the owner has put on the stick's FAT partition from another
# computer. A file is taken once: on PERSIST is noted what it contained, so that a key that is withdrawn there
# does not come back with the next boot, and a changed file is taken again.

esp=/run/ollamalive/esp
taken=/persist/ssh/taken-from-esp
mkdir -p "$esp"
mount -t vfat -o ro,nosuid,nodev,noexec,umask=077 /dev/ollamalive/ESP "$esp"
trap 'umount "$esp"' EXIT

# True for a file that is there and new.
is_new() {
  [ -f "$1" ] || return 1
  digest=$(sha256sum < "$1" | cut -d ' ' -f 1)
  ! grep -qsx "$digest ${1#"$esp"/}" "$taken"
}

take_note() {
  echo "$digest ${1#"$esp"/}" >> "$taken"
}

# Notepad and PowerShell leave carriage returns, byte order marks and UTF-16 behind.
plain_text() {
  head -c 65536 "$1" | tr -d '\000\r' | sed '1s/^\(\xef\xbb\xbf\|\xff\xfe\)//'
}

import_keys() {
  local file=$1 keys=/persist/ssh/authorized_keys number=0 count=0 line facts bits
  touch "$keys"
  cp "$keys" "$keys.new"
  # An unfinished last line would take the first new key with it.
  [ -z "$(tail -c 1 "$keys.new")" ] || echo >> "$keys.new"
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line#"${line%%[![:space:]]*}"}
    case $line in "" | "#"*) continue ;; esac
    if ! facts=$(printf '%s\n' "$line" | ssh-keygen -l -f - 2>/dev/null); then
      echo "authorized_keys on the ESP: line $number is not a public key, refused"
      continue
    fi
    bits=${facts%% *}
    case $facts in
      *"(DSA)" | *"(RSA)")
        if [ "$bits" -lt 2048 ] || [ "${facts%"(DSA)"}" != "$facts" ]; then
          echo "authorized_keys on the ESP: line $number is too weak, refused: $facts" | LC_ALL=C tr -c '\n -~' '?'
          continue
        fi
        ;;
    esac
    grep -qxF -- "$line" "$keys.new" || printf '%s\n' "$line" >> "$keys.new"
    echo "authorized_keys on the ESP: line $number taken: $facts" | LC_ALL=C tr -c '\n -~' '?'
    count=$((count + 1))
  done < <(plain_text "$file")
  chmod 0644 "$keys.new"
  sync "$keys.new"
  mv "$keys.new" "$keys"
  echo "authorized_keys on the ESP: $count keys taken to PERSIST"
}

import_connection() {
  local file=$1 name=${1##*/}
  if ! plain_text "$file" | grep -qx '\[connection\]'; then
    echo "$name on the ESP is not a connection of NetworkManager, refused"
    return
  fi
  # NetworkManager uses no file that others could read.
  (umask 077 && plain_text "$file" > "/persist/network/.$name")
  sync "/persist/network/.$name"
  mv "/persist/network/.$name" "/persist/network/$name"
  echo "$name on the ESP: taken to PERSIST"
}

if is_new "$esp/ollamalive/authorized_keys"; then
  import_keys "$esp/ollamalive/authorized_keys"
  take_note "$esp/ollamalive/authorized_keys"
fi
for file in "$esp"/ollamalive/network/*.nmconnection; do
  if is_new "$file"; then
    import_connection "$file"
    take_note "$file"
  fi
done
