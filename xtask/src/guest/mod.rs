//! What is booted. A guest does not know which scenario will run on it.

pub mod nixos;
pub mod standin;

use std::fmt;
use std::path::PathBuf;

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

/// How the machine's firmware finds its kernel.
#[derive(Debug, Clone)]
pub enum Boot {
    /// QEMU loads kernel and initial RAM disk itself.
    Direct {
        kernel: PathBuf,
        initrd: PathBuf,
        append: String,
    },
    /// UEFI reads the stick's ESP. `vars` is a template: every machine gets its own copy.
    Uefi { code: PathBuf, vars: PathBuf },
}

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
