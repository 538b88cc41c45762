//! What a machine is built of, as data, and the QEMU command line that builds it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::accel::Accelerator;

/// The network card's link, as QMP names it.
pub(crate) const NIC: &str = "nic";

/// File descriptors of QEMU on which it finds its channels.
pub(crate) mod fd {
    pub const CONSOLE: i32 = 10;
    pub const CONTROL: i32 = 11;
    pub const GUEST: i32 = 12;
    pub const UPLINK: i32 = 13;
}

/// How the machine's firmware finds its kernel.
#[derive(Debug, Clone)]
pub enum Boot {
    /// QEMU loads kernel and initial RAM disk itself.
    Direct {
        kernel: PathBuf,
        initrd: PathBuf,
        append: String,
    },
    /// UEFI reads the ESP of the first disk. `vars` is a template: every machine gets its own copy.
    Uefi {
        code: PathBuf,
        vars: PathBuf,
        /// Added to the command line in the image by its boot stub (systemd-stub(7)).
        extra_kernel_args: Option<String>,
    },
}

/// A disk, raw.
#[derive(Debug, Clone)]
pub struct Disk {
    pub path: PathBuf,
    /// Seen in the guest as `/dev/disk/by-id/virtio-…`.
    pub serial: String,
    pub read_only: bool,
    /// It can be pulled out and plugged in while the machine runs.
    pub removable: bool,
    /// A sector (512 bytes) that cannot be read. Removable disks only.
    pub bad_sector: Option<u64>,
}

impl Disk {
    /// A disk that works and stays plugged in.
    pub fn new(path: impl Into<PathBuf>, serial: impl Into<String>) -> Self {
        Disk {
            path: path.into(),
            serial: serial.into(),
            read_only: false,
            removable: false,
            bad_sector: None,
        }
    }

    pub fn removable(self) -> Self {
        Disk {
            removable: true,
            ..self
        }
    }
}

/// A TCP port of 127.0.0.1 that leads into the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// 0 lets the kernel choose.
    pub host: u16,
    pub guest: u16,
}

/// The whole machine.
#[derive(Debug, Clone)]
pub struct QemuConfig {
    pub accelerator: Accelerator,
    pub memory_mib: u32,
    pub boot: Boot,
    /// In the order in which the guest finds them; UEFI boots the first.
    pub disks: Vec<Disk>,
    /// The network cable is plugged in at power on.
    pub cable: bool,
    /// The hardware clock: `utc` for the host's time, or else a date and time in UTC, as ISO 8601.
    pub clock: String,
    pub forwards: Vec<Forward>,
}

/// Where a machine keeps its own files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'a> {
    pub folder: &'a Path,
    /// The machine resumes from a snapshot: disks are only read, and what it writes is gone when it ends.
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
    /// QEMU's arguments.
    pub(crate) fn arguments(&self, files: Files) -> Vec<OsString> {
        let mut args = Arguments::default();
        args.words("-machine q35 -nodefaults -no-user-config -no-reboot -display none -vga std")
            .words(self.accelerator.arguments())
            .pair("-m", self.memory_mib.to_string())
            .pair("-rtc", format!("base={}", self.clock))
            .words("-device virtio-rng-pci");
        self.boot_arguments(&mut args, files);
        let mut slot = 0;
        for disk in &self.disks {
            if disk.removable {
                slot += 1;
                removable_disk(&mut args, disk, slot, files.resumes);
            } else {
                fixed_disk(&mut args, disk, files.resumes);
            }
        }
        if let (Boot::Uefi { .. }, Some(first)) = (&self.boot, self.disks.first()) {
            // UEFI must not look at any other disk first.
            args.pair("-set", format!("device.{}-disk.bootindex=0", first.serial));
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
            Boot::Uefi {
                code,
                extra_kernel_args,
                ..
            } => {
                let flash = "if=pflash,format=raw";
                args.pair(
                    "-drive",
                    format!("{flash},readonly=on,file={}", escaped(code)),
                )
                .pair(
                    "-drive",
                    format!("{flash},file={}", escaped(&files.uefi_vars())),
                );
                if let Some(extra) = extra_kernel_args {
                    args.pair(
                        "-smbios",
                        format!("type=11,value=io.systemd.stub.kernel-cmdline-extra={extra}"),
                    );
                }
            }
        }
    }

    /// Two hubs, and the harness is the cable between them: it relays, listens, and can speak to the guest as another host
    /// that the user-mode network does not hear.
    fn network_arguments(&self, args: &mut Arguments) {
        let forwards = self.forwards.iter().map(|forward| {
            let (host, guest) = (forward.host, forward.guest);
            format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}")
        });
        let stream =
            |id: &str, fd: i32| format!("stream,id={id},server=off,addr.type=fd,addr.str={fd}");
        args.pair(
            "-netdev",
            format!("user,id=user{}", forwards.collect::<String>()),
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

/// A command line that grows.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    /// Arguments that hold no blanks.
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

/// A disk that stays. Where the machine `resumes`, what is written to it is gone when the machine ends.
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

/// A disk that can be pulled out and plugged in while the machine runs: it sits on a port of its own. Where the machine
/// `resumes`, it stays, has no bad sector, and what is written to it is gone when the machine ends.
fn removable_disk(args: &mut Arguments, disk: &Disk, slot: usize, resumes: bool) {
    let name = &disk.serial;
    if resumes {
        backend(args, disk, resumes);
    } else {
        let mut file = json!({ "driver": "file", "filename": disk.path });
        if let Some(sector) = disk.bad_sector {
            // EIO, for every read that touches the sector (QEMU, docs/devel/blkdebug.txt).
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
