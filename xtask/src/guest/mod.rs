//! What is booted. A guest does not know which scenario will run on it.

pub mod nixos;
pub mod standin;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use vm::{Accelerator, Boot};

use crate::packages::{Need, need};

/// The two kinds of guest that the promises can be checked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestKind {
    /// The image that users flash, built by Nix.
    Nixos,
    /// Debian, configured from the recorded contract.
    Standin,
}

impl fmt::Display for GuestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GuestKind::Nixos => "nixos",
            GuestKind::Standin => "standin",
        })
    }
}

impl GuestKind {
    /// From power on to a login.
    pub fn boot_deadline(self, accelerator: &Accelerator) -> Duration {
        match (accelerator, self) {
            (Accelerator::Kvm, _) => BOOT_KVM,
            (Accelerator::Tcg { .. }, GuestKind::Standin) => BOOT_STANDIN,
            (Accelerator::Tcg { .. }, GuestKind::Nixos) => BOOT_NIXOS,
        }
    }
}

/// What every guest needs on the host.
const NEEDS: &[Need] = &[
    need("qemu-system-x86_64", "qemu-system-x86"),
    need("mke2fs", "e2fsprogs"),
    need("mkntfs", "ntfs-3g"),
    need("mkswap", "util-linux"),
    need("ssh", "openssh-client"),
    need("cc", "gcc"),
    // The machine's hardware clock keeps the time of the configured zone.
    need("/usr/share/zoneinfo", "tzdata"),
    need("/usr/lib/x86_64-linux-gnu/libc.a", "libc6-dev"),
];

/// The packages that the guest `kind` needs on the host, or either guest.
pub fn needs(kind: Option<GuestKind>) -> Vec<Need> {
    let mut needs = NEEDS.to_vec();
    if kind != Some(GuestKind::Standin) {
        needs.extend(nixos::NEEDS);
    }
    if kind != Some(GuestKind::Nixos) {
        needs.extend(standin::needs());
    }
    needs
}

/// From power on to a login, with KVM.
const BOOT_KVM: Duration = Duration::from_secs(120);
/// The same under emulation, for a guest that a kernel is loaded into.
const BOOT_STANDIN: Duration = Duration::from_secs(240);
/// The same under emulation, through UEFI and with all of NixOS.
const BOOT_NIXOS: Duration = Duration::from_secs(600);

/// A guest that is ready to boot.
#[derive(Debug, Clone)]
pub struct Guest {
    pub kind: GuestKind,
    pub boot: Boot,
    /// The stick's image: a raw file with a GPT that lists PERSIST and ends before it.
    pub image: PathBuf,
    /// The image of a newer version of the same system, if one was asked for.
    pub newer: Option<PathBuf>,
    /// A raw, read-only disk with the recorded configuration (stand-in only).
    pub configuration: Option<PathBuf>,
    /// MiB
    pub memory: u32,
    /// One line for the report: what this guest is, and what it does not prove.
    pub description: String,
}
