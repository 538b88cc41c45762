//! Linux: lsblk, O_DIRECT, punched holes.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::Result;
use nix::fcntl::{
    FallocateFlags, FcntlArg, OFlag, PosixFadviseAdvice, fallocate, fcntl, posix_fadvise,
};

use super::super::disk::DiskInfo;
use super::ask::ask_program;
use super::lsblk;
use crate::monitor::Monitor;

pub const LIST_COMMAND: &str = "lsblk";
/// The kernel refuses it for a disk with a mounted partition, and refuses mounts while it lasts.
pub const EXCLUSIVE: i32 = OFlag::O_EXCL.bits();

pub fn require_supported(_: &Path) -> Result<(), &'static str> {
    Ok(())
}

pub fn probe(path: &Path, monitor: &dyn Monitor) -> Result<DiskInfo> {
    let options = ["--json", "--bytes", "--paths", "--output", lsblk::COLUMNS];
    lsblk::parse(&ask_program("lsblk", &options, path, monitor)?)
}

/// The loop device or swap that uses the file at `path`.
pub fn holder_of_file(path: &Path) -> Option<String> {
    let name = path.to_string_lossy();
    let is_it = |text: &str| text.trim_end() == name;
    for disk in fs::read_dir("/sys/block").ok()?.flatten() {
        let backing = disk.path().join("loop/backing_file");
        if fs::read_to_string(backing).is_ok_and(|file| is_it(&file)) {
            return Some(format!("/dev/{}", disk.file_name().to_string_lossy()));
        }
    }
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let mut swaps = swaps.lines().filter_map(|line| line.split(' ').next());
    swaps.any(is_it).then(|| "swap".to_string())
}

/// Switches direct access, past the kernel's cache, on or off. False where that is not possible.
pub fn set_direct(file: &File, on: bool) -> bool {
    let Ok(flags) = fcntl(file, FcntlArg::F_GETFL) else {
        return false;
    };
    let mut flags = OFlag::from_bits_retain(flags);
    flags.set(OFlag::O_DIRECT, on);
    fcntl(file, FcntlArg::F_SETFL(flags)).is_ok()
}

/// Makes the range read as zeros without writing them, where the file system or the disk can; a disk that would need
/// the zeros sent refuses (Linux, block/fops.c, blkdev_fallocate).
pub fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let number = |bytes: u64| i64::try_from(bytes).map_err(io::Error::other);
    Ok(fallocate(file, how, number(offset)?, number(length)?)?)
}

/// Drops the kernel's cache, so that the next read comes from the disk.
pub fn forget_cached(file: &File) {
    // Only a hint, and of no effect on file systems in memory.
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}

mod ioctl {
    // <linux/fs.h>: #define BLKRRPART _IO(0x12,95)
    nix::ioctl_none!(blkrrpart, 0x12, 95);
}

/// Makes the kernel read the new partition table.
#[expect(unsafe_code, reason = "no safe wrapper has this ioctl")]
pub fn reread_partitions(file: &File) {
    // SAFETY: the call takes no argument. Failure is harmless: not a disk, or one without partitions.
    let _ = unsafe { ioctl::blkrrpart(file.as_raw_fd()) };
}
