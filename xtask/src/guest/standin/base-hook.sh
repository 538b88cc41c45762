#!/bin/sh
# mmdebstrap's customize-hook. It runs outside the new system, with the system's folder as $1. It puts the kernel, the
# initial RAM disk and the account files into /standin, which is copied out afterwards, and makes the system small.
set -eu
root=$1
in_root() { chroot "$root" "$@"; }
mkdir -p "$root/standin/deb" "$root/standin/ird"

# The kernel is unpacked, not installed: its package would pull in initramfs-tools, and run it.
cd "$root/standin/deb"
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
apt-get -q download "$package"
dpkg-deb --fsys-tarfile linux-image-*.deb | tar -x --wildcards '*boot/vmlinuz*' '*lib/modules/*'
cd "$root/standin"
mv deb/boot/vmlinuz-* vmlinuz
mv deb/usr/lib/modules modules 2>/dev/null || mv deb/lib/modules modules
rm -rf deb
version=$(echo modules/*)
version=${version#modules/}

# Without its wrapper the kernel starts a second sooner where QEMU emulates the processor: there is nothing to unpack.
# The offsets are those of the x86 boot protocol: setup_sects, payload_offset, payload_length.
number() { od -An -t "u$2" -j "$1" -N "$2" vmlinuz | tr -d ' '; }
start=$(( ($(number 497 1) + 1) * 512 + $(number 584 4) ))
tail -c "+$((start + 1))" vmlinuz | head -c "$(( $(number 588 4) - 4 ))" > payload
if in_root zstd -q -d /standin/payload -o /standin/vmlinux; then mv vmlinux kernel; else mv vmlinuz kernel; fi
rm -f payload vmlinux vmlinuz

# Only the modules that a virtual machine with Docker and a firewall can use, uncompressed for speed.
for kept in \
  crypto lib net/802 net/bridge net/core net/ipv4 net/ipv6 net/llc net/netfilter net/packet net/sched net/xfrm \
  fs/autofs fs/fat fs/fuse fs/nls fs/overlayfs drivers/acpi drivers/block/loop drivers/block/virtio_blk \
  drivers/char/hw_random drivers/net/dummy drivers/net/macvlan drivers/net/net_failover drivers/net/tun \
  drivers/net/veth drivers/net/virtio_net
do
  echo "^kernel/${kept}[/.]"
done > kept
(cd "modules/$version" && find kernel -type f | grep -v -f ../../kept | xargs rm -f)
mkdir -p "$root/usr/lib/modules"
mv "modules/$version" "$root/usr/lib/modules/"
in_root find "/usr/lib/modules/$version" -name '*.ko.xz' -exec busybox unxz {} +
in_root depmod -a "$version"

# The initial RAM disk: init, busybox, and the two modules that the root file system needs.
cp "$root/usr/bin/busybox" ird/
find "$root/usr/lib/modules/$version" '(' -name virtio_blk.ko -o -name overlay.ko ')' -exec cp {} ird/ ';'
(cd ird && mkdir bin dev proc sys base rw new)
printf '%s' "$STANDIN_INIT" > ird/init
chmod 755 ird/init ird/busybox
in_root busybox sh -c 'cd /standin/ird && busybox find . | busybox cpio -o -H newc > /standin/initrd'
rm -rf ird modules kept

# The configuration adds the recorded accounts to these.
cp "$root/etc/passwd" "$root/etc/group" "$root/etc/shadow" .
chmod 644 ./*

# The record decides instead of Debian: host keys, and enabled units (but for the consoles, Docker and SSH).
cd "$root"
rm -f etc/ssh/ssh_host_* etc/resolv.conf etc/hostname
rm -rf etc/systemd/system/sysinit.target.wants etc/systemd/system/timers.target.wants
rm -f etc/systemd/system/multi-user.target.wants/e2scrub* etc/systemd/system/multi-user.target.wants/remote-fs.target
rm -rf etc/systemd/system/*.wants/sshd-keygen.service
# Only its nmcli is used.
rm -f etc/systemd/system/*.wants/NetworkManager*.service
ln -sf /dev/null etc/systemd/system/NetworkManager.service

# Every rule costs time for every device. The rules for disks, network cards and consoles stay.
find usr/lib/udev/rules.d -type f | grep -v -E '/(50-udev-default|60-block|60-persistent-storage|60-serial|73-special-net-names|80-drivers|80-net-setup-link|99-systemd)\.rules$' | xargs rm -f

# pam_motd runs six processes at each login for a line that NixOS does not print.
sed -i '/pam_motd/d' etc/pam.d/login etc/pam.d/sshd

# Files that no test reads, and the hardware database, which is slow to load.
rm -rf usr/lib/udev/hwdb.bin usr/lib/udev/hwdb.d var/lib/apt/lists var/cache/debconf/* var/lib/dpkg/info var/log/*
rm -rf usr/include usr/share/bash-completion usr/share/bug usr/share/info usr/share/lintian
rm -rf usr/bin/containerd-shim usr/bin/containerd-shim-runc-v1 usr/bin/ctr usr/bin/zstd
in_root ldconfig
