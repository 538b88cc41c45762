#!/busybox sh
# shellcheck shell=dash
# First process of the stand-in guest: the read-only system of the STORE partition under a tmpfs, the recorded
# configuration unpacked over it, then systemd.
set -e
export PATH=/bin
/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
insmod /virtio_blk.ko
insmod /overlay.ko
mount -t ext4 -o ro /dev/vda3 /base
mount -t tmpfs -o mode=755 root /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/base,upperdir=/rw/upper,workdir=/rw/work root /new
tar x -f /dev/vdb -C /new
mount --move /dev /new/dev
mount --move /proc /new/proc
mount --move /sys /new/sys
exec switch_root /new /usr/lib/systemd/systemd
