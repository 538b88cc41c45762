# shellcheck shell=bash
# Precedes the scripts that look at what is free before they store something.

# Prints how many bytes can still be stored in the folder $1.
free_bytes() {
  local free
  free=$(df --output=avail --block-size=1 "$1") || return 1
  echo "${free##*[!0-9]}"
}

# Bytes in words.
size() {
  if [ "$1" -lt 1000000000 ]; then
    echo "$(($1 / 1000000)) MB"
  else
    echo "$(($1 / 1000000000)).$(($1 % 1000000000 / 100000000)) GB"
  fi
}
