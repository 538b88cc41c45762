//! What differs between operating systems: how a disk is described, opened and flushed. Below it are only [`super::disk`]
//! and the parsers.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod ask;

// The parsers are tested everywhere.
#[cfg(any(test, target_os = "macos"))]
#[cfg_attr(
    not(target_os = "macos"),
    allow(dead_code, reason = "other systems only test it")
)]
mod diskutil;
#[cfg(any(test, target_os = "linux"))]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "other systems only test it")
)]
mod lsblk;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::*;

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod other;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub use other::*;

/// Opens a disk or file to be written to; a disk exclusively, where the system can.
pub fn open(path: &Path, disk: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    if disk {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(EXCLUSIVE);
    }
    #[cfg(not(unix))]
    let _ = disk;
    options.open(path)
}

/// Whether it is a block device.
pub fn is_disk(kind: FileType) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::FileTypeExt::is_block_device(&kind);
    #[cfg(not(unix))]
    {
        let _ = kind;
        false
    }
}

/// Device and inode, where the system has them.
pub fn file_id(meta: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((meta.dev(), meta.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = meta;
        None
    }
}

/// Why a device cannot be opened, and what to do, as the rest of a sentence that begins with its name.
pub fn cannot_open(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "cannot be written to by this user: run this as root (sudo)".into()
        }
        io::ErrorKind::ResourceBusy => {
            "is in use by another program or mounted elsewhere: release it first".into()
        }
        io::ErrorKind::ReadOnlyFilesystem => "is read-only: look for a switch on the stick".into(),
        _ => format!("cannot be opened: {error}"),
    }
}

/// What to check after a failed read or write, with a colon before it; empty when nothing is known.
pub fn advice(error: &io::Error) -> &'static str {
    #[cfg(unix)]
    {
        use nix::errno::Errno::{self, EIO, ENODEV, ENXIO};
        if let Some(EIO | ENODEV | ENXIO) = error.raw_os_error().map(Errno::from_raw) {
            return ": the stick was pulled out or is worn out";
        }
    }
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ": the disk that holds the file may be full"
        }
        _ => "",
    }
}
