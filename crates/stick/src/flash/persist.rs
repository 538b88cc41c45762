//! What happens to the data on the stick. The image ends where PERSIST begins, so a PERSIST at that place is kept: it is
//! never written to. One at another place, from an older layout, would be lost.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use anyhow::{Error, Result};

use super::chunks;
use super::device::Device;
use super::os;
use crate::gpt;
use crate::layout::Layout;
use crate::units::{MIB, decimal_size};

/// The machine makes PERSIST from this size on (modules/persist.sh); a MiB more for the table behind it.
const ROOM: u64 = 32 * MIB + MIB;
/// The ext4 superblock's magic number (Linux, Documentation/filesystems/ext4/super.rst).
const EXT4_MAGIC: (u64, [u8; 2]) = (1024 + 0x38, [0x53, 0xef]);
/// File systems, LUKS and the like show themselves within this.
const BEGINNING: usize = 128 << 10;

/// The plan for PERSIST.
#[derive(Debug, PartialEq, Eq)]
pub enum PersistPlan {
    /// An ext4 file system is at its place.
    Kept,
    /// Its place holds other data, which the machine will not touch either.
    Foreign,
    /// The machine makes it on its first start.
    New { bytes: u64 },
    /// Too little room is left behind the image.
    NoRoom,
}

impl PersistPlan {
    /// In words.
    pub fn describe(&self) -> String {
        match self {
            PersistPlan::Kept => "kept: the stick has one where the image expects it".into(),
            PersistPlan::Foreign => {
                "none: its place holds data that is not an ext4 file system, which neither this nor the machine touches; to have one made, `wipefs` the stick first".into()
            }
            PersistPlan::New { bytes } => format!("will be created on first boot, {}", decimal_size(*bytes)),
            PersistPlan::NoRoom => "none: NOTHING WILL BE KEPT, the stick has less than 32 MiB left behind the system".into(),
        }
    }
}

/// What happens to PERSIST when an image of that `layout` is written to `device`.
///
/// # Errors
/// The stick has one elsewhere, which would be lost, or is too small for the image.
pub fn plan_persist(device: &Device, layout: &Layout) -> Result<PersistPlan> {
    let place = layout.persist.offset;
    let path = device.path.display();
    if device.size < place {
        return Err(Error::msg(format!(
            "{path} is too small: it has {} bytes, the image takes {place}: take a larger stick",
            device.size
        )));
    }
    // A second handle: reading the table takes it over.
    let partitions = File::open(&device.path)
        .ok()
        .and_then(gpt::read)
        .unwrap_or_default();
    os::forget_cached(&device.file);
    for found in gpt::named(&partitions, &layout.persist_name) {
        if found.offset != place
            && beginning(&device.file, found.offset)
                .iter()
                .any(|byte| *byte != 0)
        {
            return Err(Error::msg(format!(
                "{path} has a {} at another place ({} MiB) than this image ({} MiB), and its data would be lost: \
                 save it, run `wipefs --all {path}`, and flash again",
                layout.persist_name,
                found.offset / MIB,
                place / MIB
            )));
        }
    }
    let beginning = beginning(&device.file, place);
    let listed = gpt::named(&partitions, &layout.persist_name).any(|found| found.offset == place);
    Ok(if is_ext4(&beginning) {
        PersistPlan::Kept
    } else if device.size < place + ROOM {
        PersistPlan::NoRoom
    } else if listed && beginning.iter().any(|byte| *byte != 0) {
        PersistPlan::Foreign
    } else {
        PersistPlan::New {
            bytes: device.size - place,
        }
    })
}

/// The bytes there, fewer at the end of the disk.
fn beginning(file: &File, offset: u64) -> Vec<u8> {
    let mut bytes = vec![0; BEGINNING];
    let length = (&mut &*file)
        .seek(SeekFrom::Start(offset))
        .and_then(|_| chunks::fill(&mut &*file, &mut bytes))
        .unwrap_or(0);
    bytes.truncate(length);
    bytes
}

fn is_ext4(beginning: &[u8]) -> bool {
    let (offset, magic) = EXT4_MAGIC;
    beginning.get(offset as usize..offset as usize + 2) == Some(&magic)
}
