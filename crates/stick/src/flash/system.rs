//! What differs between operating systems.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::device::Disk;
use crate::command;

const ASK: Duration = Duration::from_secs(30);

fn ask_program(program: &str, arguments: &[&str], path: &Path) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).arg(path);
    command::run(
        command,
        &format!("asking {program} about {}", path.display()),
        ASK,
    )
}

#[cfg(target_os = "linux")]
mod this {
    use std::fs::{self, File};
    use std::io;
    use std::ops::Range;
    use std::os::fd::AsRawFd;

    use nix::errno::Errno;
    use nix::unistd::{Whence, lseek};

    use nix::fcntl::{
        FallocateFlags, FcntlArg, OFlag, PosixFadviseAdvice, fallocate, fcntl, posix_fadvise,
    };

    use super::*;

    pub const UNMOUNT: &str = "umount";
    pub const LIST: &str = "lsblk";
    /// The kernel refuses it for a disk with a mounted partition, and refuses mounts while it lasts.
    pub const EXCLUSIVE: i32 = OFlag::O_EXCL.bits();

    pub fn ask(path: &Path) -> Result<Disk> {
        use super::super::lsblk;
        let options = ["--json", "--bytes", "--paths", "--output", lsblk::COLUMNS];
        lsblk::parse(&ask_program("lsblk", &options, path)?)
    }

    /// What uses the file at `path` as a disk.
    pub fn user_of_file(path: &Path) -> Option<String> {
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

    /// The first range at or behind `at` in which the file is no hole; empty, at its end, when only a hole is left.
    pub fn next_data(file: &File, at: u64, length: u64) -> Range<u64> {
        let seek = |from: u64, whence| {
            let from = i64::try_from(from).map_err(|_| Errno::EINVAL)?;
            lseek(file, from, whence).map(|at| at as u64)
        };
        match seek(at, Whence::SeekData) {
            Ok(start) if (at..length).contains(&start) => {
                let end = seek(start, Whence::SeekHole).unwrap_or(length);
                start..end.clamp(start + 1, length)
            }
            Ok(_) | Err(Errno::ENXIO) => length..length,
            // A file system without holes.
            Err(_) => at..length,
        }
    }

    /// Reads and writes go past the kernel's cache, or no longer do. False where that is not possible.
    pub fn set_direct(file: &File, on: bool) -> bool {
        let Ok(flags) = fcntl(file, FcntlArg::F_GETFL) else {
            return false;
        };
        let mut flags = OFlag::from_bits_retain(flags);
        flags.set(OFlag::O_DIRECT, on);
        fcntl(file, FcntlArg::F_SETFL(flags)).is_ok()
    }

    /// Makes the range read as zeros without writing them, where the file system or the disk can: a disk that would
    /// have to be sent the zeros refuses (Linux, block/fops.c, blkdev_fallocate).
    pub fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
        let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let number = |bytes: u64| i64::try_from(bytes).map_err(io::Error::other);
        Ok(fallocate(file, how, number(offset)?, number(length)?)?)
    }

    /// What is read next comes from the disk.
    pub fn forget_cached(file: &File) {
        // Only a hint, and of no effect on file systems in memory.
        let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    }

    mod ioctl {
        // <linux/fs.h>: #define BLKRRPART _IO(0x12,95)
        nix::ioctl_none!(blkrrpart, 0x12, 95);
    }

    /// Lets the kernel look at the new partition table.
    pub fn reread_partitions(file: &File) {
        // SAFETY: the call takes no argument. Where it fails (no disk, or one without partitions) nobody misses it.
        let _ = unsafe { ioctl::blkrrpart(file.as_raw_fd()) };
    }
}

#[cfg(target_os = "macos")]
mod this {
    use std::fs::File;
    use std::io;
    use std::ops::Range;

    use super::*;

    pub const UNMOUNT: &str = "diskutil unmount";
    pub const LIST: &str = "diskutil list external";
    pub const EXCLUSIVE: i32 = 0;

    pub fn ask(path: &Path) -> Result<Disk> {
        let json = |verb: &str| {
            let plist = tempfile::NamedTempFile::new()?;
            let text = ask_program("diskutil", &[verb, "-plist"], path)?;
            std::fs::write(plist.path(), text)?;
            ask_program("plutil", &["-convert", "json", "-o", "-"], plist.path())
        };
        super::super::diskutil::parse(&json("info")?, &json("list")?)
    }

    pub fn user_of_file(_: &Path) -> Option<String> {
        None
    }

    pub fn next_data(_: &File, at: u64, length: u64) -> Range<u64> {
        at..length
    }

    pub fn set_direct(_: &File, _: bool) -> bool {
        false
    }

    pub fn punch(_: &File, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn forget_cached(_: &File) {}

    pub fn reread_partitions(_: &File) {}
}

pub use this::*;
