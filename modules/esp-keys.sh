# shellcheck shell=bash
# Which lines of a file with SSH keys sshd would take, by the grammar of sshd(8), "AUTHORIZED_KEYS FILE FORMAT". ssh-keygen
# alone takes more: it passes over anything before the key. Sets $why where it says no, and prints nothing.
# shellcheck disable=SC2034 # esp-files.sh uses $why.

# sshd sets no limit; no key is this long.
longest=16384

# The types of keys that sshd can be given.
key_types=" $(ssh -Q key-plain 2>/dev/null | tr '\n' ' ') ssh-dss "

is_type() {
  case $1 in "" | *[!A-Za-z0-9@.-]*) return 1 ;; esac
  case $key_types in *" $1 "*) ;; *) return 1 ;; esac
}

is_certificate() {
  case $1 in *[!A-Za-z0-9@.-]*) return 1 ;; *-cert-v01@openssh.com) ;; *) return 1 ;; esac
}

# Splits $1 where sshd does, at the first blank outside of quotes: into $options and $rest.
split_options() {
  local quoted='' part
  options='' rest=$1
  while [ -n "$rest" ]; do
    part=${rest%%[\\\"[:blank:]]*}
    options+=$part
    rest=${rest#"$part"}
    case $rest in
      '\"'*) options+='\"' rest=${rest:2} ;;
      '"'*)
        options+='"' rest=${rest:1}
        if [ -n "$quoted" ]; then quoted=''; else quoted=yes; fi
        ;;
      [[:blank:]]*)
        [ -n "$quoted" ] || break
        options+=${rest:0:1} rest=${rest:1}
        ;;
      ?*) options+=${rest:0:1} rest=${rest:1} ;;
    esac
  done
  rest=${rest#"${rest%%[![:blank:]]*}"}
}

# The value at the beginning of $1, a text in quotes: sets $value, and $rest to what comes after it.
quoted_value() {
  local part
  rest=$1 value=
  case $rest in '"'*) rest=${rest:1} ;; *) return 1 ;; esac
  while :; do
    part=${rest%%[\\\"]*}
    value+=$part
    rest=${rest#"$part"}
    case $rest in
      "") return 1 ;;
      '\"'*) value+='"' rest=${rest:2} ;;
      '"'*) rest=${rest:1} && return 0 ;;
      *) value+=${rest:0:1} rest=${rest:1} ;;
    esac
  done
}

# Succeeds unless the list $1 has a network with bits behind its prefix, such as 192.168.1.5/24: such a list lets nobody in.
# Else sets $wrong.
good_networks() {
  local network address bits
  while IFS= read -r -d , network; do
    [[ $network =~ ^!?([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})/([0-9]{1,2})$ ]] || continue
    address=$(((10#${BASH_REMATCH[1]} << 24) + (10#${BASH_REMATCH[2]} << 16) + (10#${BASH_REMATCH[3]} << 8) + 10#${BASH_REMATCH[4]}))
    bits=$((32 - 10#${BASH_REMATCH[5]}))
    if [ "$bits" -lt 0 ] || [ $((address & ((1 << bits) - 1))) -ne 0 ]; then
      wrong="its option from= lets nobody in, because ${network#!} is not a network (one is 192.168.1.0/24, not 192.168.1.5/24)"
      return 1
    fi
  done <<< "$1,"
}

# Succeeds if sshd knows option $1 with value $2.
good_value() {
  case $1 in
    from) [ -n "$2" ] && good_networks "$2" ;;
    command | principals) [ -n "$2" ] ;;
    environment) [[ $2 =~ ^[A-Za-z0-9_]+= ]] ;;
    expiry-time) [[ $2 =~ ^[0-9]{8}([0-9]{4}([0-9]{2})?)?Z?$ ]] ;;
    permitlisten) [[ $2 =~ ^(.*:)?([0-9]{1,5}|\*)$ ]] ;;
    permitopen) [[ $2 =~ ^.+:([0-9]{1,5}|\*)$ ]] ;;
    tunnel) [[ $2 =~ ^([0-9]+|any)$ ]] ;;
    *) return 1 ;;
  esac
}

# Succeeds if sshd knows all of the options $1.
good_options() {
  local name rest=$1 value
  while :; do
    name=${rest%%[=,]*}
    rest=${rest#"$name"}
    case $rest in
      =*)
        quoted_value "${rest:1}" && good_value "${name,,}" "$value" || return 1
        ;;
      *)
        case ${name,,} in
          restrict | cert-authority | verify-required) ;;
          port-forwarding | agent-forwarding | x11-forwarding | pty | user-rc | touch-required) ;;
          no-port-forwarding | no-agent-forwarding | no-x11-forwarding | no-pty | no-user-rc | no-touch-required) ;;
          *) return 1 ;;
        esac
        ;;
    esac
    case $rest in
      "") return 0 ;;
      ,?*) rest=${rest:1} ;;
      *) return 1 ;;
    esac
  done
}

# Succeeds if sshd would take $1, a line of authorized_keys without blanks before it: sets $facts to bits, fingerprint,
# comment and type.
good_key() {
  local options='' rest=$1 value type blob comment bits wrong=''
  if [ "${#1}" -gt "$longest" ]; then
    why="too long for a key"
    return 1
  fi
  read -r type _ <<< "$rest"
  if ! is_type "$type" && ! is_certificate "$type"; then
    split_options "$1"
  fi
  read -r type blob comment <<< "$rest"
  if is_certificate "$type"; then
    why="a certificate, which does not log in from here: give the key itself, the file .pub without -cert"
    return 1
  fi
  case $1 in
    AAAA*) why="the beginning of the key is missing: it starts with its type, such as ssh-ed25519" && return 1 ;;
  esac
  if ! is_type "$type"; then
    why="not a public key: give the content of a file like id_ed25519.pub"
    return 1
  fi
  if [ -n "$options" ] && ! good_options "$options"; then
    why=${wrong:-"\"$options\" before the key is nothing that sshd knows: the line starts with the key's type ($type). If it is \
from known_hosts, it is a server's key: give your own, the content of id_ed25519.pub"}
    return 1
  fi
  case $blob in
    "" | *[!A-Za-z0-9+/=]*) facts= ;;
    *) facts=$(printf '%s\n' "$type $blob${comment:+ $comment}" | ssh-keygen -l -f - 2>/dev/null) || facts= ;;
  esac
  if [ "$type" = ssh-dss ]; then
    why="key too weak: ${facts:-DSA}. Make one with: ssh-keygen -t ed25519"
    return 1
  fi
  if [ -z "$facts" ]; then
    why="not a public key: it is cut off or changed (copy the whole line of the file .pub)"
    return 1
  fi
  bits=${facts%% *}
  case $facts in
    *"(RSA)")
      if [ "$bits" -lt 2048 ]; then
        why="key too weak: $facts. Make one with: ssh-keygen -t ed25519"
        return 1
      fi
      ;;
  esac
}
