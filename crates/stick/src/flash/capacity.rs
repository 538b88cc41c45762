//! Does a stick hold as much as it says? Fake ones do not: behind their real end, writes are dropped, or land at the address
//! modulo the real size (then mostly a power of two, because upper bits of the address are ignored).
//!
//! Markers are written to places all over the region behind the image, and read twice.
//!
//! Before the image is written: dropped writes show at once, and so does a modulus that is a power of two: the last marker
//! then reads back from its address modulo it. If the check fails here, all places get back what they held: a wrap-around may
//! have put markers into someone's files.
//!
//! After the image was written and compared: any other modulus shows. Markers are no further apart than half of what the image
//! writes, so at least one of them shared its place with the image and is gone. Both being there at the same time is the proof
//! that they are at different places. And some GB have passed since, so no memory inside of the stick can still answer for it.
//!
//! This takes seconds. It is no proof that every block between the markers works.

use std::collections::BTreeSet;

use anyhow::{Error, Result};
use uuid::Uuid;

use super::chunks::Buffer;
use super::device::Device;
use super::persist;
use super::target::Target;
use super::verify_image::VerifiedImage;
use crate::gpt::SECTOR;
use crate::monitor::Monitor;
use crate::units::MIB;

/// Bytes of a marker.
const MARKER: u64 = 4096;
/// Markers are at least that many, if the region is long enough.
const SPREAD: u64 = 32;
/// Room behind the image that gets no marker: it shows whether PERSIST holds anything.
const MARGIN: u64 = persist::TRACE;

/// A disk to write markers to.
pub trait Blocks {
    /// Fills `buffer` with what is stored at `offset`.
    ///
    /// # Errors
    /// The disk fails.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;

    /// # Errors
    /// The disk fails.
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Makes the next read come from the disk.
    ///
    /// # Errors
    /// The disk fails.
    fn settle(&self) -> Result<()>;
}

impl Blocks for Target<'_> {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        Target::read(self, offset, buffer)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        Target::write(self, bytes, offset)
    }

    fn settle(&self) -> Result<()> {
        Target::settle(self)
    }
}

/// Markers on a stick, which all held when they were first read.
#[derive(Debug)]
pub struct Markers {
    places: BTreeSet<u64>,
    /// Tells them from those of an earlier run.
    run: Uuid,
}

/// Why a stick was not found to hold what it says.
#[derive(Debug)]
pub struct Unfit {
    pub reason: Reason,
    /// All places have been read again and hold what they did before.
    pub as_before: bool,
}

#[derive(Debug)]
pub enum Reason {
    /// It stores only about so many bytes.
    Smaller(u64),
    /// It fails, or `monitor` ended the check.
    Failed(Error),
}

/// Writes markers to `device`, behind the image, and reads them back.
///
/// # Errors
/// It does not hold them or fails, or `monitor` ends the check. What was there before is put back then.
pub fn check(
    device: &Device,
    image: &VerifiedImage,
    monitor: &dyn Monitor,
) -> Result<Markers, Unfit> {
    let mut places = places(image.length, device.size, written(image));
    // What shows whether PERSIST holds anything.
    let persist = image.layout.persist.offset;
    places.retain(|place| place + MARKER <= persist || *place >= persist + MARGIN);
    place_markers(&Target::new(device, monitor), places, monitor)
}

/// The bytes at the beginning of the image that are certainly written, without a gap.
fn written(image: &VerifiedImage) -> u64 {
    match image.unread.is_empty() {
        true => image.length - MIB,
        false => image.unread.start,
    }
}

/// Where markers go on a stick of `size` bytes: evenly, on both sides of powers of two, and in the last block.
fn places(image: u64, size: u64, written: u64) -> BTreeSet<u64> {
    let start = image + MARGIN;
    let Some(last) = (size / SECTOR * SECTOR)
        .checked_sub(MARKER)
        .filter(|last| *last >= start)
    else {
        return BTreeSet::new();
    };
    let step = ((last - start) / SPREAD).min(written / 2).max(MIB) / MARKER * MARKER;
    let even = (start..last).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    let powers = powers(size).flat_map(|power| [power - MARKER, power]);
    let mut places: BTreeSet<u64> = even
        .chain(powers)
        .filter(|place| (start..=last - MARKER).contains(place))
        .collect();
    places.insert(last);
    places
}

/// Powers of two from a MiB to `size`.
fn powers(size: u64) -> impl Iterator<Item = u64> {
    (20..63)
        .map(|bits| 1u64 << bits)
        .take_while(move |power| *power <= size)
}

fn place_markers(
    blocks: &dyn Blocks,
    places: BTreeSet<u64>,
    monitor: &dyn Monitor,
) -> Result<Markers, Unfit> {
    let failed = |error| Unfit {
        reason: Reason::Failed(error),
        as_before: true,
    };
    let before = contents(blocks, &places, monitor).map_err(failed)?;
    let markers = Markers {
        places,
        run: Uuid::new_v4(),
    };
    let reason = match markers
        .write(blocks, monitor)
        .and_then(|()| markers.lost(blocks, monitor))
    {
        Ok(None) => return Ok(markers),
        Ok(Some(stores)) => Reason::Smaller(stores),
        Err(error) => Reason::Failed(error),
    };
    Err(Unfit {
        reason,
        as_before: markers.put_back(blocks, &before),
    })
}

fn contents(
    blocks: &dyn Blocks,
    places: &BTreeSet<u64>,
    monitor: &dyn Monitor,
) -> Result<Vec<Vec<u8>>> {
    let mut buffer = Buffer::new();
    let block = &mut buffer[..MARKER as usize];
    let read = |place: &u64| -> Result<Vec<u8>> {
        monitor.check()?;
        blocks.read(*place, block)?;
        Ok(block.to_vec())
    };
    places.iter().map(read).collect()
}

impl Markers {
    /// The content of the marker for `place`, into the beginning of a buffer.
    fn fill(&self, place: u64, block: &mut [u8]) {
        for (number, piece) in (0u64..).zip(block.chunks_exact_mut(32)) {
            piece[..16].copy_from_slice(self.run.as_bytes());
            piece[16..24].copy_from_slice(&place.to_le_bytes());
            piece[24..].copy_from_slice(&number.to_le_bytes());
        }
    }

    /// From the end on: of two that share a place the lower one holds, which is within the real size.
    fn write(&self, blocks: &dyn Blocks, monitor: &dyn Monitor) -> Result<()> {
        let mut buffer = Buffer::new();
        let block = &mut buffer[..MARKER as usize];
        for place in self.places.iter().rev() {
            monitor.check()?;
            self.fill(*place, block);
            blocks.write(*place, block)?;
        }
        Ok(())
    }

    /// About how many bytes are stored: up to the first marker that does not hold. None if all of them do.
    ///
    /// # Errors
    /// The disk fails, or `monitor` ends this.
    pub fn lost(&self, blocks: &dyn Blocks, monitor: &dyn Monitor) -> Result<Option<u64>> {
        blocks.settle()?;
        let (mut read, mut wanted) = (Buffer::new(), Buffer::new());
        let (read, wanted) = (&mut read[..MARKER as usize], &mut wanted[..MARKER as usize]);
        let mut holds = |place: u64, marker: u64| -> Result<bool> {
            monitor.check()?;
            self.fill(marker, wanted);
            blocks.read(place, read)?;
            Ok(read == wanted)
        };
        for (marker, power) in self.wrapped() {
            if holds(marker % power, marker)? {
                return Ok(Some(power));
            }
        }
        for place in &self.places {
            if !holds(*place, *place)? {
                return Ok(Some(*place));
            }
        }
        Ok(None)
    }

    /// Markers, and powers of two modulo which their addresses are looked at. The block below the greatest power shows each
    /// smaller one at another place. Only the last one is behind the greatest.
    fn wrapped(&self) -> Vec<(u64, u64)> {
        let Some(last) = self.places.last().copied() else {
            return Vec::new();
        };
        let mut powers: Vec<u64> = powers(last).collect();
        let Some(greatest) = powers.pop() else {
            return Vec::new();
        };
        let below = greatest - MARKER;
        let mut looks = Vec::new();
        if self.places.contains(&below) {
            looks.extend(powers.into_iter().map(|power| (below, power)));
        }
        looks.push((last, greatest));
        looks
    }

    /// Writes back what was there; whether all of it is there again. Goes on after errors and Ctrl-C, to leave as little as
    /// possible behind.
    fn put_back(&self, blocks: &dyn Blocks, before: &[Vec<u8>]) -> bool {
        let mut buffer = Buffer::new();
        let block = &mut buffer[..MARKER as usize];
        for (place, old) in self.places.iter().zip(before) {
            block.copy_from_slice(old);
            let _ = blocks.write(*place, block);
        }
        let _ = blocks.settle();
        self.places
            .iter()
            .zip(before)
            .all(|(place, old)| blocks.read(*place, block).is_ok() && block == &old[..])
    }

    /// Writes zeros over all of them.
    ///
    /// # Errors
    /// The disk fails.
    pub fn remove(&self, blocks: &dyn Blocks) -> Result<()> {
        let buffer = Buffer::new();
        for place in &self.places {
            blocks.write(*place, &buffer[..MARKER as usize])?;
        }
        blocks.settle()
    }
}

#[cfg(test)]
mod tests;
