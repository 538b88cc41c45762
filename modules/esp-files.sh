# shellcheck shell=bash
# What becomes of each file on the stick's FAT partition. Needs the other esp-*.sh, and:
#   esp      the partition's folder
#   persist  the folder of PERSIST
#   run      a folder in memory: afterwards, $run/files has a line for each thing found, VERDICT <tab> NAME <tab> WORDS
# The verdicts:
#   taken    works from now on            refused  would not work
#   warned   taken, but may not be used   unread   is not in its place, or of another system
#   removed  taken once, then removed     unused   has nothing to do with this machine
#   ignored  made by another computer, or by this one
# Each file is taken once: its digest is recorded on PERSIST. So a key that was removed there does not return at the next
# boot, and a file that has changed is taken again.

: "${esp:=}" "${persist:=}" "${run:=}" "${limit:=}" "${why:=}" "${facts:=}" "${section_connection:=}"
# Lines of one file that are named when they are refused.
most_lines=20
# Files of one folder that are looked at.
most_files=500
private="a PRIVATE key"
put_in="Put it into the folder ollamalive"
ssh2="a public key in the format of PuTTY or SSH2, which sshd does not read: copy the text in PuTTYgen's box \"Public key for \
pasting\" into ollamalive/authorized_keys instead (or use: ssh-keygen -i -f FILE)"

# Records verdict $1 about $2, in the words $3.
note() {
  local name
  name=$(shown "$2")
  printf '%s\t%s\t%s\n' "$1" "$name" "$(shown "$3")" >> "$run/files"
  case $1 in unused | ignored) ;; *) printf '%s on the stick: %s\n' "$name" "$(shown "$3")" ;; esac
}

# Whether file $1, called $2, was taken as it is: sets $record.
was_taken() {
  record="$(sha256sum < "$1" | cut -d ' ' -f 1) $(shown "$2")"
  grep -qsxF -e "$record" "$persist/ssh/taken-from-esp"
}

# Records that the file of was_taken is taken. If that cannot be written, it is taken again at the next boot.
remember() {
  { mkdir -p "$persist/ssh" && echo "$record" >> "$persist/ssh/taken-from-esp"; } 2>/dev/null || true
}

# Takes the keys in text $1 of file $2, called $3.
take_keys() {
  local keys=$persist/ssh/authorized_keys line number=0 refused=0 before='' index
  local good=() numbers=() described=()
  if grep -q '^---- BEGIN SSH2 PUBLIC KEY' "$1"; then
    note refused "$3" "$ssh2"
    return
  fi
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line#"${line%%[![:blank:]]*}"}
    case $line in "" | "#"*) continue ;; esac
    if good_key "$line"; then
      good+=("$line") numbers+=("$number") described+=("$facts")
    else
      refused=$((refused + 1))
      [ "$refused" -gt "$most_lines" ] || note refused "$3" "line $number refused, $why"
    fi
  done < "$1"
  [ "$refused" -le "$most_lines" ] || note refused "$3" "$((refused - most_lines)) more lines refused"
  if [ "${#good[@]}" -eq 0 ]; then
    [ "$refused" -gt 0 ] || note refused "$3" "it has no key in it: save the content of id_ed25519.pub in it"
    return
  fi
  if was_taken "$2" "$3"; then
    before=yes
  elif ! add_keys "${good[@]}"; then
    rm -rf "$keys.new"
    note refused "$3" "PERSIST cannot be written, so no key of this file was taken (is it full?)"
    return
  fi
  for index in "${!good[@]}"; do
    if grep -qsxF -e "${good[index]}" "$keys"; then
      note taken "$3" "line ${numbers[index]} taken: ${described[index]}"
    else
      note removed "$3" "line ${numbers[index]} was taken once, and was removed on the machine since: ${described[index]}"
    fi
  done
  [ -n "$before" ] || remember
  [ "$encoding" != Windows-1252 ] || note warned "$3" "it is in Windows-1252: save it as UTF-8 if a name in it is wrong"
}

# Adds the lines "$@" to the authorized keys, each once. Fails, with nothing changed, if they cannot be written.
add_keys() {
  local keys=$persist/ssh/authorized_keys line
  {
    mkdir -p "$persist/ssh" && : >> "$keys" && cat "$keys" > "$keys.new" || return 1
    # Without a newline at the end, the first new key would be appended to the last line.
    [ -z "$(tail -c 1 "$keys.new")" ] || echo >> "$keys.new" || return 1
    for line in "$@"; do
      grep -qxF -e "$line" "$keys.new" || printf '%s\n' "$line" >> "$keys.new" || return 1
    done
    chmod 0644 "$keys.new" && sync "$keys.new" && mv "$keys.new" "$keys"
  } 2>/dev/null
}

# The name on PERSIST of the connection called $1: Notepad and Explorer hide the .txt that they append.
connection_name() {
  local name=${1##*/}
  printf '%s\n' "${name%.[Tt][Xx][Tt]}"
}

# Takes the connection in text $1 of file $2, called $3.
take_connection() {
  local target warning
  target=$persist/network/$(connection_name "$3")
  case ${3##*/} in
    .* | *"~")
      note refused "$3" "NetworkManager passes over such names: call it Home.nmconnection"
      return
      ;;
  esac
  if ! good_connection "$1"; then
    note refused "$3" "$why"
    return
  fi
  if was_taken "$2" "$3"; then
    if [ ! -e "$target" ]; then
      note removed "$3" "was taken once, and was removed on the machine since"
      return
    fi
  # NetworkManager ignores files that other users can read.
  elif (umask 077 && mkdir -p "${target%/*}" && cat "$1" > "$persist/network/.new" && sync "$persist/network/.new" &&
    mv "$persist/network/.new" "$target") 2>/dev/null; then
    remember
  else
    rm -rf "$persist/network/.new"
    note refused "$3" "it cannot be written to PERSIST (its name may be too long, or PERSIST full)"
    return
  fi
  note taken "$3" "taken: copied to PERSIST"
  connections+=("$3")
  warn_of_connection "$1"
  [ "$encoding" != Windows-1252 ] || warnings+=("it is in Windows-1252: save it as UTF-8 if the network has another name")
  for warning in "${warnings[@]}"; do
    note warned "$3" "$warning"
  done
}

# Says what to do about text $1 of a file called $2, which has neither the name nor the place of a file that is taken.
say_what_to_do() {
  local name=${2##*/}
  case ${name,,} in
    configuration.nix)
      note unread "$2" "not read: the configuration is part of the image. Build an image from it, and flash that"
      return
      ;;
    known_hosts | known_hosts.*)
      note unread "$2" "not read: it has the keys of servers. Give your own key, id_ed25519.pub"
      return
      ;;
    wpa_supplicant*.conf | *.yaml | *.yml | network-config | dietpi-wifi.txt | interfaces)
      note unread "$2" "not read: this machine uses NetworkManager. Write ollamalive/network/Home.nmconnection, as \
docs/owner.md shows"
      return
      ;;
    ssh | ssh.txt)
      note unread "$2" "not read: SSH is always on. It needs your key: save id_ed25519.pub as ollamalive/authorized_keys"
      return
      ;;
  esac
  if grep -qx "$section_connection" "$1" 2>/dev/null; then
    name=${name%.*}
    note unread "$2" "a network connection, but not in its place: call it ollamalive/network/${name%.nmconnection}.nmconnection"
  elif grep -qs -e '<WLANProfile' -e '^[[:blank:]]*network={' "$1"; then
    note unread "$2" "not read: this machine uses NetworkManager. Write ollamalive/network/Home.nmconnection, as docs/owner.md \
shows"
  elif grep -qs '^---- BEGIN SSH2 PUBLIC KEY' "$1"; then
    note unread "$2" "$ssh2"
  elif grep -qs -E -e '(^|[[:blank:]])(ssh-(ed25519|rsa|dss)|ecdsa-sha2-nistp[0-9]+|sk-[a-z0-9@.-]+) AAAA' "$1"; then
    note unread "$2" "has SSH keys, but not their name: call it ollamalive/authorized_keys"
  else
    note unused "$2" "not used by this machine"
  fi
}

# Decides about the file $1, called $2, in the folder of connections if $3 is "network".
handle_file() {
  local text=$run/text kind='' encoding='' name=${2##*/}
  case $3/${name,,} in
    */authorized_keys | */authorized_keys.txt | */*.pub | */*.pub.txt) kind=keys ;;
    network/*.nmconnection | network/*.nmconnection.txt) kind=connection ;;
  esac
  head -c $((limit + 1)) "$1" > "$run/head" 2>/dev/null || {
    note refused "$2" "cannot be read: copy it to the stick again"
    return
  }
  if is_private "$run/head"; then
    note unread "$2" "$private, which was not read. Delete it: everyone who finds the stick could use it. The public key \
is in the file that ends in .pub"
  elif [ ! -s "$run/head" ] && [ -n "$kind" ]; then
    note refused "$2" "it is empty"
  elif [ "$(stat -c %s "$run/head")" -gt "$limit" ] && [ -n "$kind" ]; then
    note refused "$2" "it is longer than $limit bytes: it is not read"
  elif ! to_text "$run/head" "$text"; then
    if [ -n "$kind" ]; then
      note refused "$2" "not a text that can be converted to UTF-8: save it as UTF-8"
    else
      : > "$text"
      say_what_to_do "$text" "$2"
    fi
  elif [ "$kind" = keys ] && [ "$3" = network ]; then
    note unread "$2" "SSH keys do not belong with the connections. $put_in"
  elif [ "$kind" = keys ]; then
    take_keys "$text" "$1" "$2"
  elif [ "$kind" = connection ]; then
    take_connection "$text" "$1" "$2"
  else
    say_what_to_do "$text" "$2"
  fi
}

# What Windows and macOS leave on every drive.
is_litter() {
  case ${1,,} in
    ._* | .spotlight-* | .trash* | .fseventsd | .ds_store | .temporaryitems | .documentrevisions-* | .apdisk) ;;
    .metadata_never_index | .com.apple.* | "system volume information" | "\$recycle.bin" | recycler) ;;
    thumbs.db | desktop.ini | found.[0-9][0-9][0-9]) ;;
    *) return 1 ;;
  esac
}

# Walks folder $1, whose files are called $2NAME; it is the `root`, the `folder` ollamalive, or that for the `network`, as $3
# says. Names are never patterns.
walk() {
  local path name count=0
  for path in "$1"/*; do
    count=$((count + 1))
    if [ "$count" -gt "$most_files" ]; then
      note unread "${2:-the stick}" "it has more than $most_files files, and the rest was not looked at: remove those that are not \
for this machine"
      return
    fi
    name=${path##*/}
    case $3/${name,,} in
      root/efi | root/loader | folder/readme.txt | folder/report.txt | folder/report.new) continue ;;
      root/ollamalive) [ ! -d "$path" ] || continue ;;
      folder/network)
        if [ -d "$path" ]; then
          walk "$path" "$2$name/" network
          continue
        fi
        ;;
    esac
    if is_litter "$name"; then
      note ignored "$2$name" "made by another computer for itself"
    elif [ -d "$path" ]; then
      handle_folder "$2$name"
    elif [ -f "$path" ] && [ ! -L "$path" ]; then
      handle_file "$path" "$2$name" "$3"
    else
      note refused "$2$name" "not a file"
    fi
  done
}

handle_folder() {
  local name=${1##*/}
  case ${name,,} in
    network | system-connections) note unread "$1" "a folder in the wrong place: move it into ollamalive, and call it network" ;;
    authorized_keys* | .ssh | ssh | *.pub)
      note unread "$1" "a folder, which is not read: save your key in a file called ollamalive/authorized_keys"
      ;;
    *)
      case $1 in
        */*) note unread "$1" "a folder, which is not read: put the files that are in it into ${1%/*}" ;;
        *) note unused "$1" "a folder, which is not read" ;;
      esac
      ;;
  esac
}

# Finds the folder `ollamalive` however it is written, and handles everything.
handle_all() {
  local LC_ALL=C path name other connections=()
  shopt -s nullglob dotglob
  : > "$run/files"
  for path in "$esp"/*; do
    case ${path##*/} in
      [Oo][Ll][Ll][Aa][Mm][Aa][Ll][Ii][Vv][Ee]) [ ! -d "$path" ] || walk "$path" ollamalive/ folder ;;
    esac
  done
  walk "$esp" "" root
  for name in "${connections[@]}"; do
    other=$(twin "$persist/network/$(connection_name "$name")")
    [ -z "$other" ] || note warned "$name" "it has the uuid of $other, and only one of them is used: delete its line uuid="
  done
  rm -f "$run/text" "$run/text.raw" "$run/text.errors" "$run/head"
}

# The problems in $run/files, as sentences for the login banner: the first one of each file, and private keys before all
# others. Nothing if there are none.
problems() {
  local verdict name words last='' count=0 most=5
  while IFS=$'\t' read -r verdict name words; do
    case $verdict in refused | warned | unread) ;; *) continue ;; esac
    [ "$name" != "$last" ] || continue
    last=$name
    count=$((count + 1))
    [ "$count" -gt "$most" ] || echo "$name on the stick: $words."
  done < <(grep -F "$private" "$run/files" || true; grep -vF "$private" "$run/files" || true)
  [ "$count" -le "$most" ] || echo "$((count - most)) more files on the stick need a look: see ollamalive/REPORT.txt there."
}
