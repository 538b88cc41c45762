//! What happens to the data on the stick. The image ends before PERSIST begins, so a PERSIST at that place is kept: it is
//! never written to. One at another place, from another layout, would be lost.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::Range;

use anyhow::{Error, Result};

use super::chunks;
use super::device::Device;
use super::os;
use crate::gpt;
use crate::layout::{LAYOUT_1_STORE, Layout};
use crate::units::{MIB, decimal_size};

/// The machine makes PERSIST from this size on (modules/persist.sh); a MiB more for the table behind it.
const ROOM: u64 = 32 * MIB + MIB;
/// The ext4 superblock's magic number (Linux, Documentation/filesystems/ext4/super.rst).
const EXT4_MAGIC: (u64, [u8; 2]) = (1024 + 0x38, [0x53, 0xef]);
/// File systems, LUKS and the like show themselves within this.
const BEGINNING: usize = 128 << 10;
/// Copies of the superblock by which the machine recognizes an ext4 that lost its beginning (modules/persist.sh): place, and the
/// binary logarithm of the block's size in KiB.
const EXT4_COPIES: [(u64, u32); 2] = [(32768 * 4096, 2), (8193 * 1024, 0)];
/// What is cleared at each place that may hold a trace of an older file system.
pub(super) const TRACE: u64 = MIB;

/// The plan for PERSIST.
#[derive(Debug, PartialEq, Eq)]
pub enum PersistPlan {
    /// An ext4 file system is at its place. The machine grows it to so many bytes.
    Kept { bytes: u64 },
    /// Its place holds other data, which the machine will not touch either.
    Foreign,
    /// The machine makes it on its first start.
    New { bytes: u64 },
    /// As `New`, and the one on the stick is given up.
    Discarded { bytes: u64 },
    /// Too little room is left behind the image.
    NoRoom,
}

impl PersistPlan {
    /// In words.
    pub fn describe(&self) -> String {
        match self {
            PersistPlan::Kept { .. } => "kept: the stick has one where the image expects it".into(),
            PersistPlan::Foreign => {
                "none: its place holds data that is not a usable ext4 file system, which neither this nor the machine touches".into()
            }
            PersistPlan::New { bytes } => format!("will be created on first boot, {}", decimal_size(*bytes)),
            PersistPlan::Discarded { bytes } => {
                format!("THE ONE ON THE STICK WILL BE LOST; a new one will be created on first boot, {}", decimal_size(*bytes))
            }
            PersistPlan::NoRoom => "none: NOTHING WILL BE KEPT, the stick has less than 32 MiB left behind the system".into(),
        }
    }

    /// The bytes of its partition; None where the stick will have no PERSIST. Its file system may be smaller.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            PersistPlan::Kept { bytes }
            | PersistPlan::New { bytes }
            | PersistPlan::Discarded { bytes } => Some(*bytes),
            PersistPlan::Foreign | PersistPlan::NoRoom => None,
        }
    }

    /// Why the capacity of the stick cannot be checked, which writes behind the image; None if it can be.
    pub fn forbids_check(&self) -> Option<&'static str> {
        match self {
            PersistPlan::Kept { .. } => Some("the check would write into PERSIST, which is kept"),
            PersistPlan::Foreign => Some(
                "the check would write into the data at PERSIST's place, which is left untouched",
            ),
            PersistPlan::NoRoom => Some("nothing is stored behind the image"),
            PersistPlan::New { .. } | PersistPlan::Discarded { .. } => None,
        }
    }
}

/// What happens to PERSIST when an image of that `layout` is written to `device`. With `discard` the one on the stick may be
/// lost, where there is room for a new one.
///
/// # Errors
/// The stick has one elsewhere, which would be lost, or is too small for the image.
pub fn plan_persist(device: &Device, layout: &Layout, discard: bool) -> Result<PersistPlan> {
    let place = layout.persist.offset;
    let path = device.path.display();
    if device.size < layout.image_bytes {
        let way = match device.disk {
            Some(_) => "take a larger stick".to_string(),
            None => format!("make the file longer: truncate -s 32G {path}"),
        };
        return Err(Error::msg(format!(
            "{path} is too small: it has {}, the image takes {}: {way}",
            decimal_size(device.size),
            decimal_size(layout.image_bytes)
        )));
    }
    // A second handle: reading the table takes it over.
    let partitions = File::open(&device.path)
        .ok()
        .and_then(gpt::read)
        .unwrap_or_default();
    os::forget_cached(&device.file);
    let mut elsewhere = None;
    for found in gpt::named(&partitions, &layout.persist_name) {
        if found.offset != place && !is_empty(&beginning(device, found.offset)?) {
            elsewhere = Some(found);
        }
    }
    let bytes = device.size.saturating_sub(place);
    let room = bytes >= ROOM;
    if let Some(found) = elsewhere
        && !(discard && room)
    {
        let way = match room {
            true => "flash again with --discard-persist".into(),
            false => format!("run `wipefs --all {path}` and flash again"),
        };
        let older =
            match layout.version > 1 && gpt::named(&partitions, LAYOUT_1_STORE).next().is_some() {
                true => " of layout 1, which older releases had,",
                false => "",
            };
        return Err(Error::msg(format!(
            "{path} has a {}{older} at another place ({} MiB) than this image ({} MiB), and its data would be lost: \
             save it (docs/owner.md, \"Sticks of layout 1\"), then {way}",
            layout.persist_name,
            found.offset / MIB,
            place / MIB
        )));
    }
    let start = beginning(device, place)?;
    let listed = gpt::named(&partitions, &layout.persist_name).any(|found| found.offset == place);
    // As flashing leaves it when it ends early.
    let unfinished = is_empty(&beginning(device, 0)?);
    let foreign = !is_empty(&start) && (listed || unfinished) || has_ext4_copy(device, place)?;
    Ok(if is_ext4(&start) && !(discard && room) {
        PersistPlan::Kept { bytes }
    } else if !room {
        PersistPlan::NoRoom
    } else if foreign && !discard {
        PersistPlan::Foreign
    } else if foreign || is_ext4(&start) || elsewhere.is_some() {
        PersistPlan::Discarded { bytes }
    } else {
        PersistPlan::New { bytes }
    })
}

/// The ranges from `place` on, where PERSIST will be, in which an older file system would keep the machine from making a new
/// one: its beginning, its copies of the superblock, and the end, where arrays and partition tables have their marks.
pub(super) fn traces(place: u64, size: u64) -> Vec<Range<u64>> {
    if place >= size {
        return Vec::new();
    }
    let starts = [0]
        .into_iter()
        .chain(EXT4_COPIES.map(|(at, _)| at / MIB * MIB));
    let mut ranges: Vec<Range<u64>> = starts
        .map(|at| place + at..(place + at + TRACE).min(size))
        .filter(|range| !range.is_empty())
        .collect();
    ranges.push(size.saturating_sub(TRACE).max(place)..size);
    ranges
}

/// The bytes there, fewer at the end of the disk. What cannot be read may be PERSIST, so it must not count as empty.
fn beginning(device: &Device, offset: u64) -> Result<Vec<u8>> {
    // A disk refuses a seek behind its end, a file does not.
    if offset >= device.size {
        return Ok(Vec::new());
    }
    let mut file = &device.file;
    let mut bytes = vec![0; BEGINNING];
    let length = file
        .seek(SeekFrom::Start(offset))
        .and_then(|_| chunks::fill(&mut file, &mut bytes))
        .map_err(|error| {
            let path = device.path.display();
            let advice = os::advice(&error);
            Error::msg(format!(
                "cannot read {path} at byte {offset}: {error}{advice}"
            ))
        })?;
    bytes.truncate(length);
    Ok(bytes)
}

fn is_ext4(beginning: &[u8]) -> bool {
    let (offset, magic) = EXT4_MAGIC;
    beginning.get(offset as usize..offset as usize + 2) == Some(&magic)
}

fn is_empty(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Whether the file system at `place` has a copy of its superblock. It names its group and the size of a block, so that a copy of
/// another file system is not taken for one.
fn has_ext4_copy(device: &Device, place: u64) -> Result<bool> {
    for (at, block) in EXT4_COPIES {
        let copy = beginning(device, place + at)?;
        let is = |field: usize, bytes: &[u8]| copy.get(field..field + bytes.len()) == Some(bytes);
        if is(0x38, &EXT4_MAGIC.1) && is(0x18, &block.to_le_bytes()) && is(0x5a, &[1, 0]) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
