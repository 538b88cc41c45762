//! A machine's hardware, as data.

use std::path::PathBuf;

use crate::accel::Accelerator;
use crate::lan::Lan;

/// The network card's link, as QMP names it.
pub(crate) const NIC: &str = "nic";

/// How the machine's firmware finds a kernel.
#[derive(Debug, Clone)]
pub enum Boot {
    /// QEMU loads the kernel and the initial RAM disk.
    Direct {
        kernel: PathBuf,
        initrd: PathBuf,
        /// The kernel command line.
        append: String,
    },
    /// UEFI reads the ESP of the first disk. `vars` is a template: every machine gets its own copy.
    Uefi {
        /// The firmware, read only; see [`crate::firmware::find`].
        code: PathBuf,
        vars: PathBuf,
        /// systemd-stub(7) in the image appends them to its kernel command line.
        extra_kernel_args: Option<String>,
    },
}

/// A raw disk image.
#[derive(Debug, Clone)]
pub struct Disk {
    pub path: PathBuf,
    /// Seen in the guest as `/dev/disk/by-id/virtio-…`.
    pub serial: String,
    pub read_only: bool,
    /// It can be unplugged and plugged in while the machine runs.
    pub removable: bool,
    /// A sector (512 bytes) that cannot be read. Removable disks only.
    pub bad_sector: Option<u64>,
}

impl Disk {
    /// A writable disk without faults, always plugged in.
    pub fn new(path: impl Into<PathBuf>, serial: impl Into<String>) -> Self {
        Disk {
            path: path.into(),
            serial: serial.into(),
            read_only: false,
            removable: false,
            bad_sector: None,
        }
    }

    /// The same disk, removable.
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
    /// The TCP port in the guest.
    pub guest: u16,
}

/// The whole machine.
#[derive(Debug, Clone)]
pub struct QemuConfig {
    pub accelerator: Accelerator,
    /// In MiB.
    pub memory_mib: u32,
    pub boot: Boot,
    /// In the guest's order; UEFI boots the first.
    pub disks: Vec<Disk>,
    /// The network cable is plugged in at power on.
    pub cable: bool,
    /// The hardware clock: `utc` or `localtime` for the present time, or else a date and time, as ISO 8601.
    pub clock: String,
    pub lan: Lan,
    /// The zone of `localtime`, such as `Europe/Berlin`; the host's zone if none is given.
    pub time_zone: Option<String>,
    pub forwards: Vec<Forward>,
    /// A hardware watchdog (Intel 6300ESB), which resets the machine unless the guest feeds it.
    pub watchdog: bool,
}
