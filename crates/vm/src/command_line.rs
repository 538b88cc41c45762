//! The QEMU command line for a [`QemuConfig`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::config::{Boot, Disk, NIC, QemuConfig};

/// File descriptors of QEMU on which it finds its channels.
pub(crate) mod fd {
    pub const CONSOLE: i32 = 10;
    pub const CONTROL: i32 = 11;
    pub const GUEST: i32 = 12;
    pub const UPLINK: i32 = 13;
}

/// The folder of one machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'a> {
    pub folder: &'a Path,
    /// The machine resumes from a snapshot: its writes go to temporary overlays.
    pub resumes: bool,
}

impl Files<'_> {
    pub fn console_log(&self) -> PathBuf {
        self.folder.join("console.log")
    }

    pub fn uefi_vars(&self) -> PathBuf {
        self.folder.join("uefi-vars.fd")
    }
}

impl QemuConfig {
    /// QEMU's arguments; `files` are the machine's own.
    pub(crate) fn arguments(&self, files: Files) -> Vec<OsString> {
        let mut args = Arguments::default();
        args.words("-machine q35 -nodefaults -no-user-config -no-reboot -display none -vga std")
            .words(self.accelerator.arguments())
            .pair("-m", self.memory_mib.to_string())
            .pair("-rtc", format!("base={}", self.clock))
            .words("-device virtio-rng-pci");
        if self.watchdog {
            args.words("-device i6300esb");
        }
        self.boot_arguments(&mut args, files);
        let mut slot = 0;
        for (index, disk) in self.disks.iter().enumerate() {
            if disk.removable {
                slot += 1;
                removable_disk(&mut args, disk, slot, files.resumes);
            } else {
                fixed_disk(&mut args, disk, files.resumes);
            }
            if index == 0 {
                self.uefi_arguments(&mut args, disk);
            }
        }
        if files.resumes {
            args.words("-incoming defer");
        }
        args.pair(
            "-chardev",
            format!(
                "socket,id=console,fd={},logfile={},logappend=on",
                fd::CONSOLE,
                escaped(&files.console_log())
            ),
        )
        .words("-serial chardev:console")
        .pair("-chardev", format!("socket,id=control,fd={}", fd::CONTROL))
        .words("-mon chardev=control,mode=control");
        self.network_arguments(&mut args);
        args.0
    }

    fn boot_arguments(&self, args: &mut Arguments, files: Files) {
        match &self.boot {
            Boot::Direct {
                kernel,
                initrd,
                append,
            } => {
                args.pair("-kernel", kernel)
                    .pair("-initrd", initrd)
                    .pair("-append", append);
            }
            Boot::Uefi { code, .. } => {
                let flash = "if=pflash,format=raw";
                args.pair(
                    "-drive",
                    format!("{flash},readonly=on,file={}", escaped(code)),
                )
                .pair(
                    "-drive",
                    format!("{flash},file={}", escaped(&files.uefi_vars())),
                );
            }
        }
    }

    /// What UEFI, and the boot stub on the `first` disk, must know.
    fn uefi_arguments(&self, args: &mut Arguments, first: &Disk) {
        let Boot::Uefi {
            extra_kernel_args, ..
        } = &self.boot
        else {
            return;
        };
        // UEFI must try no other disk before this one.
        args.pair("-set", format!("device.{}-disk.bootindex=0", first.serial));
        if let Some(extra) = extra_kernel_args {
            args.pair(
                "-smbios",
                format!("type=11,value=io.systemd.stub.kernel-cmdline-extra={extra}"),
            );
        }
    }

    /// Two hubs; the harness is the cable between them. It relays frames, and can talk to the guest as another host without
    /// the user-mode network receiving that.
    fn network_arguments(&self, args: &mut Arguments) {
        let forwards = self.forwards.iter().map(|forward| {
            let (host, guest) = (forward.host, forward.guest);
            format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}")
        });
        let stream =
            |id: &str, fd: i32| format!("stream,id={id},server=off,addr.type=fd,addr.str={fd}");
        args.pair(
            "-netdev",
            format!(
                "user,id=user,{}{}",
                self.lan.options(),
                forwards.collect::<String>()
            ),
        )
        .words("-netdev hubport,id=user-port,hubid=1,netdev=user")
        .pair("-netdev", stream("uplink", fd::UPLINK))
        .words("-netdev hubport,id=uplink-port,hubid=1,netdev=uplink")
        .pair("-netdev", stream("guest", fd::GUEST))
        .words("-netdev hubport,id=guest-port,hubid=0,netdev=guest")
        .words("-netdev hubport,id=card,hubid=0")
        .pair(
            "-device",
            format!("virtio-net-pci,id={NIC},netdev=card,romfile="),
        );
    }
}

/// A command line under construction.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    /// Arguments without blanks in them.
    fn words(&mut self, words: &str) -> &mut Self {
        self.0.extend(words.split(' ').map(OsString::from));
        self
    }

    fn pair(&mut self, option: &str, value: impl Into<OsString>) -> &mut Self {
        self.0.extend([option.into(), value.into()]);
        self
    }
}

/// A comma in a file name would start the next option.
fn escaped(file: &Path) -> String {
    file.display().to_string().replace(',', ",,")
}

/// A disk that stays plugged in.
fn fixed_disk(args: &mut Arguments, disk: &Disk, resumes: bool) {
    let id = &disk.serial;
    backend(args, disk, resumes);
    args.pair(
        "-device",
        format!("virtio-blk-pci,id={id}-disk,drive={id},serial={id}"),
    );
}

fn backend(args: &mut Arguments, disk: &Disk, resumes: bool) {
    let access = match (disk.read_only, resumes) {
        (true, _) => ",readonly=on",
        (false, false) => ",discard=unmap",
        (false, true) => ",discard=unmap,snapshot=on",
    };
    let (id, file) = (&disk.serial, escaped(&disk.path));
    args.pair(
        "-drive",
        format!("id={id},file={file},format=raw,if=none,cache=writeback{access}"),
    );
}

/// A disk on a PCI Express port of its own, so that it can be unplugged. Where the machine `resumes`, it stays plugged in
/// and has no bad sector.
fn removable_disk(args: &mut Arguments, disk: &Disk, slot: usize, resumes: bool) {
    let name = &disk.serial;
    if resumes {
        backend(args, disk, resumes);
    } else {
        let mut file = json!({ "driver": "file", "filename": disk.path });
        if let Some(sector) = disk.bad_sector {
            // EIO for every read that touches the sector (QEMU, docs/devel/blkdebug.txt).
            let rule = json!({
                "event": "none", "iotype": "read", "errno": 5, "sector": sector, "immediately": true
            });
            file = json!({ "driver": "blkdebug", "image": file, "inject-error": [rule] });
        }
        let node = json!({
            "node-name": name, "driver": "raw", "read-only": disk.read_only, "discard": "unmap", "file": file
        });
        args.pair("-blockdev", node.to_string());
    }
    args.pair(
        "-device",
        format!("pcie-root-port,id={name}-port,chassis={slot},slot={slot}"),
    )
    .pair(
        "-device",
        format!("virtio-blk-pci,id={name}-disk,bus={name}-port,drive={name},serial={name}"),
    );
}

#[cfg(test)]
mod tests;
