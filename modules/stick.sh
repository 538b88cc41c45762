#!/bin/sh
# Called by udev. Succeeds if this machine booted from disk $1: two sticks with the same system may be plugged in, and
# only one of them is right. systemd's boot stub stores the ID of the partition it booted from in a UEFI variable. Other
# ways to start the kernel pass it on the command line. Without either, any of our sticks is accepted.
# udev does not set a useful PATH.
PATH=${PATH:+$PATH:}/bin:/sbin:/usr/bin:/usr/sbin
esp=
read -r line < /proc/cmdline
for word in $line; do
  case $word in ollamalive.esp=*) esp=${word#*=} ;; esac
done
for variable in StubDevicePartUUID LoaderDevicePartUUID; do
  file=/sys/firmware/efi/efivars/$variable-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
  if [ -z "$esp" ] && [ -r "$file" ]; then
    # Four bytes of attributes, then UTF-16. These files are not seekable, so tail cannot skip the attributes.
    esp=$(tr -cd '0-9A-Fa-f-' < "$file")
  fi
done
[ -z "$esp" ] || partx --show --noheadings --output UUID "$1" | grep -qi "$esp"
