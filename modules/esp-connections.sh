# shellcheck shell=bash
# What NetworkManager makes of a connection's file. Its own parser judges; it needs no running NetworkManager.
# shellcheck disable=SC2034 # esp-files.sh uses $why and $warnings.

section_connection='[[:blank:]]*\[connection\][[:blank:]]*'

# The value of $2 in section $1 of $normal, a connection as NetworkManager writes it.
setting() {
  sed -n "/^\[$1\]\$/,/^\[/s/^$2=//p" <<< "$normal"
}

# Succeeds if NetworkManager takes the text $1; sets $normal to what it has read. If not, sets $why.
good_connection() {
  if ! grep -qx "$section_connection" "$1"; then
    why="not a NetworkManager connection: it has no [connection]. Write it as docs/owner.md shows"
    return 1
  fi
  # Sets what is the default already: only `modify` reads a file.
  if ! normal=$(timeout 60 nmcli --offline connection modify connection.autoconnect-retries -1 < "$1" 2> "$1.errors"); then
    why=$(sed -n '$p' "$1.errors")
    why=${why#Error: }
    why="NetworkManager does not take it: $(shown "${why#Error writing connection: }")"
    return 1
  fi
}

# Says what will keep a good connection from being used: sets $warnings, an array. $1 is its text.
warn_of_connection() {
  local value
  warnings=()
  value=$(setting connection permissions)
  case $value in
    *user:*) warnings+=("it is for one user only, and this machine has another: delete the line permissions=$value") ;;
  esac
  value=$(setting connection interface-name)
  # Others, such as WireGuard's, make a card of that name.
  case $(setting connection type) in wifi | ethernet) ;; *) value= ;; esac
  [ -z "$value" ] || warnings+=("it is for a card called $value only: delete the line interface-name=$value")
  value=$(setting wifi mac-address)$(setting ethernet mac-address)
  [ -z "$value" ] || warnings+=("it is for the card with the address $value only: delete the line mac-address=$value")
  value=$(setting connection autoconnect)
  [ "$value" != false ] || warnings+=("it is not used unless you start it: delete the line autoconnect=false")
  case $(setting wifi ssid) in
    "NAME OF THE NETWORK") warnings+=("it has the name of the example: write the name of your network in the line ssid=") ;;
    '"'*'"') warnings+=("the name of its network has quotes: delete them in the line ssid=, unless they belong to it") ;;
  esac
  value=$(setting wifi-security psk)
  case $(setting wifi-security key-mgmt)/$value in
    */PASSWORD) warnings+=("it has the password of the example: write that of your network in the line psk=") ;;
    */'"'*'"') warnings+=("its password has quotes: delete them in the line psk=, unless they belong to it") ;;
    wpa-psk/?*)
      [ "${#value}" -ge 8 ] || warnings+=("its password is too short, for WPA has 8 characters at least: correct the line psk=")
      ;;
  esac
  value=$(setting wifi-security psk-flags)
  case $value in
    "" | 0) ;;
    *) warnings+=("its computer keeps the password elsewhere: delete the line psk-flags=$value, and write psk=PASSWORD") ;;
  esac
  case $(setting wifi-security key-mgmt) in
    wpa-psk | sae)
      if [ -z "$value" ] && [ -z "$(setting wifi-security psk)" ]; then
        warnings+=("it has no password: write psk=PASSWORD under [wifi-security]")
      fi
      ;;
    "")
      if [ "$(setting connection type)" = wifi ] && grep -q '^[[:blank:]]*psk[[:blank:]]*=' "$1"; then
        warnings+=("its password is not used: write [wifi-security] and key-mgmt=wpa-psk before the line psk=")
      fi
      ;;
  esac
}

# Prints the name of another connection in the folder of file $1 with the same uuid: NetworkManager uses one of them.
twin() {
  local uuid other
  uuid=$(sed -n 's/^uuid[[:blank:]]*=[[:blank:]]*//p' "$1" | head -n 1)
  for other in "${1%/*}"/*; do
    if [ -n "$uuid" ] && [ "$other" != "$1" ] && grep -qs "^uuid[[:blank:]]*=[[:blank:]]*$uuid" "$other"; then
      printf '%s\n' "${other##*/}"
      return
    fi
  done
}
