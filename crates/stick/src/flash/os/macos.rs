//! macOS: diskutil. Reads and writes go through the kernel's cache.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::Result;

use super::super::disk::DiskInfo;
use super::ask::ask_program;
use super::diskutil;
use crate::monitor::Monitor;

pub const LIST_COMMAND: &str = "diskutil list external";
pub const EXCLUSIVE: i32 = 0;

pub fn require_supported(_: &Path) -> Result<(), &'static str> {
    Ok(())
}

pub fn probe(path: &Path, monitor: &dyn Monitor) -> Result<DiskInfo> {
    let json = |verb: &str| {
        let plist = tempfile::NamedTempFile::new()?;
        let text = ask_program("diskutil", &[verb, "-plist"], path, monitor)?;
        std::fs::write(plist.path(), text)?;
        let convert = ["-convert", "json", "-o", "-"];
        ask_program("plutil", &convert, plist.path(), monitor)
    };
    diskutil::parse(&json("info")?, &json("list")?)
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
