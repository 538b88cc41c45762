//! What is booted. A guest does not know which scenario will run on it.

pub mod nixos;
pub mod standin;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use vm::{Accelerator, Boot};

/// The two kinds of guest that the promises can be checked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The image that users flash, built by Nix.
    Nixos,
    /// Debian, configured from the recorded contract.
    Standin,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Nixos => "nixos",
            Kind::Standin => "standin",
        })
    }
}

impl Kind {
    /// From power on to a login.
    pub fn boot_deadline(self, accelerator: &Accelerator) -> Duration {
        match (accelerator, self) {
            (Accelerator::Kvm, _) => BOOT_KVM,
            (Accelerator::Tcg { .. }, Kind::Standin) => BOOT_STANDIN,
            (Accelerator::Tcg { .. }, Kind::Nixos) => BOOT_NIXOS,
        }
    }
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
    pub kind: Kind,
    pub boot: Boot,
    /// The stick's image: a raw file with a GPT that lists PERSIST and ends before it.
    pub image: PathBuf,
    /// A raw, read-only disk with the recorded configuration (stand-in only).
    pub configuration: Option<PathBuf>,
    /// MiB
    pub memory: u32,
    /// One line for the report: what this guest is, and what it does not prove.
    pub description: String,
}
