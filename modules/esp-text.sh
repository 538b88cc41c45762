# shellcheck shell=bash
# Texts and names that an owner wrote on any computer (esp.nix). Looks at nothing but what it is given.

# As much of a file as is read, in bytes.
# shellcheck disable=SC2034 # esp-files.sh uses it.
limit=65536

# A name or text from outside, for messages: UTF-8, on one line, and without anything that a terminal would obey.
shown() {
  case $1 in *[!\ -~]*) ;; *) printf '%s' "$1" && return ;; esac
  printf '%s' "$1" | iconv -f UTF-8 -t UTF-8 -c 2>/dev/null | LC_ALL=C tr '\000-\037\177' '?' || true
}

# Writes the text of file $1 to $2, in UTF-8, with line ends of Unix and without a byte order mark; sets $encoding to what
# it was in. Fails if it is not text. Notepad and PowerShell write UTF-16, and old editors Windows-1252.
to_text() {
  local raw=$2.raw
  case $(head -c 2 "$1" | od -An -v -tx1 | tr -d ' \n') in
    fffe | ??00) encoding=UTF-16LE ;;
    feff | 00??) encoding=UTF-16BE ;;
    *) encoding=UTF-8 ;;
  esac
  if ! iconv -f "$encoding" -t UTF-8 "$1" > "$raw" 2>/dev/null; then
    [ "$encoding" = UTF-8 ] || return 1
    encoding=Windows-1252
    iconv -f WINDOWS-1252 -t UTF-8 "$1" > "$raw" 2>/dev/null || return 1
  fi
  # Control characters are in no text; this leaves tabs, line ends and form feeds.
  # shellcheck disable=SC2094 # cmp only reads.
  LC_ALL=C tr -d '\000-\010\013\016-\037' < "$raw" | cmp -s - "$raw" || return 1
  if [ -n "$(LC_ALL=C tr -cd '\n' < "$raw" | head -c 1 | od -An -tx1)" ]; then
    tr -d '\r' < "$raw"
  else
    tr '\r' '\n' < "$raw"
  fi | LC_ALL=C sed '1s/^\xef\xbb\xbf//' > "$2"
}

# Succeeds if text $1 is, or has in it, a private key: of OpenSSH and OpenSSL, PuTTY's, or SSH2's. Works on UTF-16 as well.
is_private() {
  tr -d '\000' < "$1" | LC_ALL=C grep -qa -e '----[- ]BEGIN .*PRIVATE KEY' -e 'PuTTY-User-Key-File-[0-9]'
}
