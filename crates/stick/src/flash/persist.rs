//! What becomes of the data on the stick. The image ends where PERSIST begins, so what lies there is kept by not being
//! written; what an older layout has elsewhere would be lost.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Error, Result};

use super::device::{Device, gigabytes};
use super::layout::{self, Layout};
use super::{MIB, system};

/// The machine makes PERSIST from this size on (modules/persist.sh); a MiB more for the table behind it.
const ROOM: u64 = 32 * MIB + MIB;
/// The ext4 superblock's magic number (Linux, Documentation/filesystems/ext4/super.rst).
const EXT4_MAGIC: (u64, [u8; 2]) = (1024 + 0x38, [0x53, 0xef]);
/// File systems, LUKS and the like show themselves within this.
const BEGINNING: usize = 128 << 10;

#[derive(Debug, PartialEq, Eq)]
pub enum Persist {
    /// There is a file system where it belongs.
    Kept,
    /// There is something else than ext4 where it belongs, which the machine will not touch either.
    Foreign,
    /// The machine makes it.
    New { bytes: u64 },
    /// Too little is left behind the image.
    NoRoom,
}

impl Persist {
    pub fn describe(&self) -> String {
        match self {
            Persist::Kept => "kept: there is one on the stick, where the image expects it".into(),
            Persist::Foreign => {
                "none: its place holds something that is no ext4 file system, which is left alone by this and by the machine; `wipefs` the stick first to have one made".into()
            }
            Persist::New { bytes } => format!("made on the first start, {}", gigabytes(*bytes)),
            Persist::NoRoom => "none: NOTHING WILL BE KEPT, the stick has no 32 MiB left behind the system".into(),
        }
    }
}

/// What becomes of PERSIST when an image of that `layout` is written to `device`.
///
/// # Errors
/// The stick has one elsewhere, which would be lost, or is too small for the image.
pub fn fate(device: &Device, layout: &Layout) -> Result<Persist> {
    let place = layout.persist.offset;
    let path = device.path.display();
    if device.size < place {
        return Err(Error::msg(format!(
            "{path} is too small: it has {} bytes, the image takes {place}: take a larger stick",
            device.size
        )));
    }
    // Not the one that is claimed: what reads the table seeks about in it.
    let partitions = File::open(&device.path)
        .ok()
        .and_then(layout::partitions)
        .unwrap_or_default();
    system::forget_cached(&device.file);
    for found in layout::find(&partitions, &layout.persist_name) {
        if found.offset != place
            && beginning(&device.file, found.offset)
                .iter()
                .any(|byte| *byte != 0)
        {
            return Err(Error::msg(format!(
                "{path} has a {} at another place ({} MiB) than this image has it ({} MiB), and its data would be lost: \
                 save it, run `wipefs --all {path}`, and flash again",
                layout.persist_name,
                found.offset / MIB,
                place / MIB
            )));
        }
    }
    let beginning = beginning(&device.file, place);
    let listed = layout::find(&partitions, &layout.persist_name).any(|found| found.offset == place);
    Ok(if is_ext4(&beginning) {
        Persist::Kept
    } else if device.size < place + ROOM {
        Persist::NoRoom
    } else if listed && beginning.iter().any(|byte| *byte != 0) {
        Persist::Foreign
    } else {
        Persist::New {
            bytes: device.size - place,
        }
    })
}

/// What can be read there, which is less at the end of the disk.
fn beginning(file: &File, offset: u64) -> Vec<u8> {
    let mut bytes = vec![0; BEGINNING];
    let length = file.read_at(&mut bytes, offset).unwrap_or(0);
    bytes.truncate(length);
    bytes
}

fn is_ext4(beginning: &[u8]) -> bool {
    let (offset, magic) = EXT4_MAGIC;
    beginning.get(offset as usize..offset as usize + 2) == Some(&magic)
}
