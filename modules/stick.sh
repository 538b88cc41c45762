#!/bin/sh
# Called by udev. For a disk $1, succeeds if this machine booted from it: two sticks with the same system may be plugged in,
# and only one of them is right. For a partition $1 with the ID $2, prints STORE or VERITY if it belongs to the running system.
# systemd's boot stub stores the ID of the partition it booted from in a UEFI variable. Other ways to start the kernel pass it
# on the command line. Without either, any of our sticks is accepted.
# udev does not set a useful PATH.
PATH=${PATH:+$PATH:}/bin:/sbin:/usr/bin:/usr/sbin
esp='' usrhash=''
read -r line < /proc/cmdline
for word in $line; do
  case $word in
    ollamalive.esp=*) esp=${word#*=} ;;
    usrhash=*) usrhash=${word#*=} ;;
  esac
done
if [ $# -gt 1 ]; then
  # systemd-repart makes the IDs of STORE and VERITY from the halves of the root hash.
  id=$(echo "$2" | tr -d -)
  case ${id:+$usrhash} in
    "$id"?*) echo STORE ;;
    ?*"$id") echo VERITY ;;
    *) exit 1 ;;
  esac
  exit
fi
for variable in StubDevicePartUUID LoaderDevicePartUUID; do
  file=/sys/firmware/efi/efivars/$variable-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
  if [ -z "$esp" ] && [ -r "$file" ]; then
    # Four bytes of attributes, then UTF-16. These files are not seekable, so tail cannot skip the attributes.
    esp=$(tr -cd '0-9A-Fa-f-' < "$file")
  fi
done
[ -z "$esp" ] || partx --show --noheadings --output UUID "$1" | grep -qi "$esp"
