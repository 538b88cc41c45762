#!/bin/sh
# udev asks: was this machine started from the disk $1? Two sticks with the same system may be plugged in, and only one
# of them is right. systemd's boot stub leaves the id of the partition that the system came from in a UEFI variable;
# who starts the kernel in another way says it on its command line. Without either, any of our sticks will do.
# udev gives its programs no PATH to rely on.
PATH=${PATH:+$PATH:}/bin:/sbin:/usr/bin:/usr/sbin
esp=
read -r line < /proc/cmdline
for word in $line; do
  case $word in ollamalive.esp=*) esp=${word#*=} ;; esac
done
for variable in StubDevicePartUUID LoaderDevicePartUUID; do
  file=/sys/firmware/efi/efivars/$variable-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
  if [ -z "$esp" ] && [ -r "$file" ]; then
    # Four bytes of attributes, then UTF-16. Nothing can seek in these files, so tail cannot leave the attributes out.
    esp=$(tr -cd '0-9A-Fa-f-' < "$file")
  fi
done
[ -z "$esp" ] || partx --show --noheadings --output UUID "$1" | grep -qi "$esp"
