//! Windows and others: only plain files are written to.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Result, bail};

use super::super::disk::DiskInfo;
use crate::monitor::Monitor;

pub const LIST_COMMAND: &str = "on Linux or macOS";
#[cfg(unix)]
pub const EXCLUSIVE: i32 = 0;

const UNSUPPORTED: &str = "is a device, and this system's devices cannot be written to yet: flash on Linux or macOS, or write the decompressed image with an image writer such as Rufus";

/// Windows names devices `\\.\PhysicalDrive1` or `\\?\GLOBALROOT\Device\...`; their metadata cannot be read.
pub fn require_supported(path: &Path) -> Result<(), &'static str> {
    let name = path.to_string_lossy().replace('/', "\\");
    let lower = name.to_ascii_lowercase();
    match lower.starts_with(r"\\.\") || lower.starts_with(r"\\?\globalroot") {
        true => Err(UNSUPPORTED),
        false => Ok(()),
    }
}

pub fn probe(path: &Path, _: &dyn Monitor) -> Result<DiskInfo> {
    bail!("{} {UNSUPPORTED}", path.display())
}

pub fn holder_of_file(_: &Path) -> Option<String> {
    None
}

pub fn set_direct(_: &File, _: bool) -> bool {
    false
}

pub fn punch(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn forget_cached(_: &File) {}

pub fn reread_partitions(_: &File) {}
