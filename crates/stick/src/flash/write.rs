//! Writing the image, and reading it back.
//!
//! Order: the old partition table is cleared; the image is written without its table, read back and compared; the owner's
//! files are written; the partition table is written last. If this ends early the stick has no partitions, so it cannot
//! be mistaken for a finished one. Nothing behind the image's end is touched.
//!
//! Data is written. Zeros have to read as zeros afterwards, also where older data was: a target that can clear a range
//! without being sent zeros does so; otherwise the range is read, and zeros are written where there are none. Only the
//! end of STORE, behind its file system, keeps its old content: nothing ever reads it. The ESP's free space does not keep
//! it: older keys and passwords may be there.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem;
use std::ops::Range;

use anyhow::{Error, Result};

use super::chunks::{self, Buffer, ByteRun, CHUNK, Chunk, RunKind};
use super::device::Device;
use super::files::OwnerFiles;
use super::image::StickImage;
use super::os;
use super::verify_image::VerifiedImage;
use crate::monitor::{Monitor, Pass};
use crate::units::MIB;

/// Without direct access, bytes between two waits for the disk, so that the progress shows the speed of the disk.
const UNSYNCED: u64 = 64 * MIB;

/// The result of reading back all that was written.
#[derive(Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// The device holds the image.
    Matches,
    /// It differs from the image at this byte; it has no partition table.
    Differs(u64),
}

/// Writes the `verified` `image` to `device`, with `files` on its FAT partition.
///
/// # Errors
/// The image or the device fails, or `monitor` ends the operation; the device then has no partition table.
pub fn flash(
    image: &StickImage,
    verified: &VerifiedImage,
    device: &Device,
    files: &OwnerFiles,
    monitor: &dyn Monitor,
) -> Result<ReadBack> {
    // The partition table and its backup, which is in the last MiB.
    let tables = [0..MIB, verified.length - MIB..verified.length];
    let target = Target::new(device, monitor);
    let mut held: [Vec<u8>; 2] = Default::default();

    monitor.begin(Pass::Write, verified.used);
    for table in &tables {
        target.clear(table.clone())?;
    }
    target.sync()?;
    // Neighbouring zeros are cleared together: most disks take no longer for them than for a small piece.
    let mut zeros = 0..0;
    each(image, verified, monitor, |chunk| {
        for (table, held) in tables.iter().zip(&mut held) {
            if let Some(bytes) = chunk.get(table.clone()) {
                *held = bytes.to_vec();
            }
        }
        for run in chunks::runs(chunk, &verified.unread, &tables) {
            match run.kind {
                RunKind::Data => {
                    target.write(run.data, run.offset)?;
                    monitor.advance(run.data.len() as u64);
                }
                RunKind::Zero if run.offset == zeros.end => zeros.end = run.end(),
                RunKind::Zero => {
                    target.clear(mem::replace(&mut zeros, run.offset..run.end()))?;
                }
                RunKind::Idle => {}
            }
        }
        Ok(())
    })?;
    target.clear(zeros)?;
    target.sync()?;
    image.check_unchanged()?;
    monitor.end(Pass::Write);

    monitor.begin(Pass::ReadBack, verified.used);
    let mut differs = None;
    let mut read = Buffer::new();
    each(image, verified, monitor, |chunk| {
        for run in chunks::runs(chunk, &verified.unread, &tables) {
            if run.kind != RunKind::Idle && differs.is_none() {
                differs = target.difference(&run, &mut read)?;
            }
            if run.kind == RunKind::Data {
                monitor.advance(run.data.len() as u64);
            }
        }
        Ok(())
    })?;
    image.check_unchanged()?;
    if let Some(offset) = differs {
        return Ok(ReadBack::Differs(offset));
    }
    monitor.end(Pass::ReadBack);

    // From here on in small pieces, through the kernel's cache.
    target.go_direct(false);
    let settle = || {
        target.sync()?;
        os::forget_cached(&device.file);
        Ok(())
    };
    files.put(&device.path, verified.layout.esp, settle)?;
    // The backup first: a disk with only the backup has no partitions either.
    for (table, bytes) in tables.iter().zip(&held).rev() {
        target.write(bytes, table.start)?;
        settle()?;
        let run = ByteRun {
            kind: RunKind::Data,
            offset: table.start,
            data: bytes,
        };
        if let Some(offset) = target.difference(&run, &mut read)? {
            return Ok(ReadBack::Differs(offset));
        }
    }
    os::reread_partitions(&device.file);
    Ok(ReadBack::Matches)
}

/// As [`chunks::each`], with errors that name the image. An image that has grown since it was verified is an error: it
/// would overwrite PERSIST.
fn each(
    image: &StickImage,
    verified: &VerifiedImage,
    monitor: &dyn Monitor,
    mut take: impl FnMut(&Chunk) -> Result<()>,
) -> Result<()> {
    let checked = |chunk: &Chunk| {
        if chunk.end() > verified.length {
            return Err(image.changed());
        }
        take(chunk)
    };
    chunks::each(image.reader(None)?, monitor, checked).map_err(|error| {
        match error.downcast_ref() {
            Some(error) => image.corrupt(error),
            None => error,
        }
    })
}

struct Target<'a> {
    device: &'a Device,
    monitor: &'a dyn Monitor,
    direct: Cell<bool>,
    /// Whether ranges can be cleared without writing zeros; true until it fails.
    punches: Cell<bool>,
    unsynced: Cell<u64>,
}

impl<'a> Target<'a> {
    fn new(device: &'a Device, monitor: &'a dyn Monitor) -> Self {
        Target {
            device,
            monitor,
            direct: Cell::new(os::set_direct(&device.file, true)),
            punches: Cell::new(true),
            unsynced: Cell::new(0),
        }
    }

    fn go_direct(&self, on: bool) {
        self.direct.set(os::set_direct(&self.device.file, on) && on);
    }

    fn failed(&self, verb: &str, offset: u64) -> impl FnOnce(io::Error) -> anyhow::Error {
        let place = format!(
            "cannot {verb} {} at byte {offset}",
            self.device.path.display()
        );
        move |error| Error::msg(format!("{place}: {error}{}", os::advice(&error)))
    }

    fn seek(&self, offset: u64) -> io::Result<&File> {
        let mut file = &self.device.file;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }

    /// Some file systems take direct access only in a form of their own.
    fn retried<T>(&self, action: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match action() {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput && self.direct.get() => {
                self.go_direct(false);
                action()
            }
            result => result,
        }
    }

    fn write(&self, data: &[u8], offset: u64) -> Result<()> {
        self.retried(|| self.seek(offset)?.write_all(data))
            .map_err(self.failed("write to", offset))?;
        self.unsynced.set(self.unsynced.get() + data.len() as u64);
        if !self.direct.get() && self.unsynced.get() >= UNSYNCED {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes `range` read as zeros.
    fn clear(&self, range: Range<u64>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        if self.punches.get() {
            // The reason does not matter: writing shows whether the disk is sound.
            match os::punch(&self.device.file, range.start, range.end - range.start) {
                Ok(()) => return Ok(()),
                Err(_) => self.punches.set(false),
            }
        }
        let (zeros, mut read) = (Buffer::new(), Buffer::new());
        for offset in range.clone().step_by(CHUNK) {
            self.monitor.check()?;
            let length = (range.end - offset).min(CHUNK as u64) as usize;
            let run = ByteRun {
                kind: RunKind::Zero,
                offset,
                data: &zeros[..length],
            };
            if self.difference(&run, &mut read)?.is_some() {
                self.write(run.data, offset)?;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.unsynced.set(0);
        self.device
            .file
            .sync_all()
            .map_err(self.failed("finish writing to", 0))
    }

    /// The first offset where the device differs from `run`.
    fn difference(&self, run: &ByteRun, buffer: &mut Buffer) -> Result<Option<u64>> {
        let read = &mut buffer[..run.data.len()];
        // Not through `retried`, which would borrow `read` mutably twice.
        let mut result = self
            .seek(run.offset)
            .and_then(|mut file| file.read_exact(read));
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::InvalidInput)
            && self.direct.get()
        {
            self.go_direct(false);
            result = self
                .seek(run.offset)
                .and_then(|mut file| file.read_exact(read));
        }
        result.map_err(self.failed("read", run.offset))?;
        if read == run.data {
            return Ok(None);
        }
        let at = read
            .iter()
            .zip(run.data)
            .position(|(read, data)| read != data);
        Ok(at.map(|at| run.offset + at as u64))
    }
}
