//! Writing the image, and reading it back.
//!
//! Order: the old partition table is cleared; the image is written without its table, read back and compared; the owner's
//! files are written; the partition table is written last. If this ends early the stick has no partitions, so it cannot
//! be mistaken for a finished one. Nothing behind the image's end is touched, unless markers of [`super::capacity`] are there:
//! then PERSIST is made anew, so they are read once more and removed, with all that passes for an older file system.
//!
//! Data is written. Zeros have to read as zeros afterwards, also where older data was: a target that can clear a range
//! without being sent zeros does so; otherwise the range is read, and zeros are written where there are none. Only the
//! end of the store, behind its file system, keeps its old content: nothing ever reads it. The ESP's free space does not keep
//! it: older keys and passwords may be there.

use std::mem;

use anyhow::Result;

use super::capacity::Markers;
use super::chunks::{self, Buffer, ByteRun, Chunk, RunKind};
use super::device::Device;
use super::files::OwnerFiles;
use super::image::StickImage;
use super::os;
use super::persist;
use super::target::Target;
use super::verify_image::VerifiedImage;
use crate::monitor::{Monitor, Pass};
use crate::units::MIB;

/// The result of reading back all that was written.
#[derive(Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// The device holds the image.
    Matches,
    /// It differs from the image at this byte; it has no partition table.
    Differs(u64),
    /// It holds the image, but not the markers behind it: it stores only about so many bytes. It has no partition table.
    Smaller(u64),
}

/// Writes the `verified` `image` to `device`, with `files` on its FAT partition. `markers` are given where PERSIST is made
/// anew: nothing behind the image is kept then.
///
/// # Errors
/// The image or the device fails, or `monitor` ends the operation; the device then has no partition table.
pub fn flash(
    image: &StickImage,
    verified: &VerifiedImage,
    device: &Device,
    files: &OwnerFiles,
    markers: Option<&Markers>,
    monitor: &dyn Monitor,
) -> Result<ReadBack> {
    // The partition table and its backup, which is in the last MiB.
    let tables = [0..MIB, verified.length - MIB..verified.length];
    let traces = match markers {
        Some(_) => persist::traces(verified.layout.persist.offset, device.size),
        None => Vec::new(),
    };
    let target = Target::new(device, monitor);
    let mut held: [Vec<u8>; 2] = Default::default();

    monitor.begin(Pass::Write, verified.used);
    // Of the traces only the first, which holds no marker: without it, the next attempt finds nothing to keep.
    for range in tables.iter().chain(traces.first()) {
        target.clear(range.clone())?;
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
    if let Some(markers) = markers {
        if let Some(stores) = markers.lost(&target, monitor)? {
            return Ok(ReadBack::Smaller(stores));
        }
        markers.remove(&target)?;
    }
    for range in traces {
        target.clear(range)?;
    }

    // From here on in small pieces, through the kernel's cache.
    target.go_direct(false);
    files.put(&device.path, verified.layout.esp, || target.settle())?;
    // The backup first: a disk with only the backup has no partitions either.
    for (table, bytes) in tables.iter().zip(&held).rev() {
        target.write(bytes, table.start)?;
        target.settle()?;
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
    chunks::each(image.reader()?, monitor, checked).map_err(|error| match error.downcast_ref() {
        Some(error) => image.corrupt(error),
        None => error,
    })
}
