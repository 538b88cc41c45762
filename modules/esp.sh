# shellcheck shell=bash
# Runs as esp-import.service (esp.nix). Imports files that the owner put on the stick's FAT partition. Each file is
# imported once: its digest is recorded on PERSIST. So a key that was removed from PERSIST does not return at the next
# boot, and a file that has changed is imported again.

esp=/run/ollamalive/esp
taken=/persist/ssh/taken-from-esp
mkdir -p "$esp"
mount -t vfat -o ro,nosuid,nodev,noexec,umask=077 /dev/ollamalive/ESP "$esp"
trap 'umount "$esp"' EXIT

# Succeeds if the file exists and has not been imported yet.
is_new() {
  [ -f "$1" ] || return 1
  digest=$(sha256sum < "$1" | cut -d ' ' -f 1)
  ! grep -qsx "$digest ${1#"$esp"/}" "$taken"
}

take_note() {
  echo "$digest ${1#"$esp"/}" >> "$taken"
}

# Removes carriage returns, byte order marks and the zero bytes of UTF-16, which Notepad and PowerShell write.
plain_text() {
  head -c 65536 "$1" | tr -d '\000\r' | sed '1s/^\(\xef\xbb\xbf\|\xff\xfe\)//'
}

import_keys() {
  local file=$1 keys=/persist/ssh/authorized_keys number=0 count=0 line facts bits
  touch "$keys"
  cp "$keys" "$keys.new"
  # Without a newline at the end, the first new key would be appended to the last line.
  [ -z "$(tail -c 1 "$keys.new")" ] || echo >> "$keys.new"
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line#"${line%%[![:space:]]*}"}
    case $line in "" | "#"*) continue ;; esac
    if ! facts=$(printf '%s\n' "$line" | ssh-keygen -l -f - 2>/dev/null); then
      echo "authorized_keys on the ESP: line $number refused, not a public key"
      continue
    fi
    bits=${facts%% *}
    case $facts in
      *"(DSA)" | *"(RSA)")
        if [ "$bits" -lt 2048 ] || [ "${facts%"(DSA)"}" != "$facts" ]; then
          echo "authorized_keys on the ESP: line $number refused, key too weak: $facts" | LC_ALL=C tr -c '\n -~' '?'
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
  echo "authorized_keys on the ESP: $count keys copied to PERSIST"
}

import_connection() {
  local file=$1 name=${1##*/}
  if ! plain_text "$file" | grep -qx '\[connection\]'; then
    echo "$name on the ESP refused, not a NetworkManager connection"
    return
  fi
  # NetworkManager ignores files that other users can read.
  (umask 077 && plain_text "$file" > "/persist/network/.$name")
  sync "/persist/network/.$name"
  mv "/persist/network/.$name" "/persist/network/$name"
  echo "$name on the ESP: copied to PERSIST"
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
