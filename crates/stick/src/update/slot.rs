//! The partitions of an image that an update is made from.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Error, Result};

use super::{DIGITS, is_version};
use crate::gpt::{self, Extent, Type};
use crate::layout::{Layout, STORE, VERITY, erofs_bytes};

/// Bytes at the start of a partition that hold any superblock.
const START: usize = 4096;
/// Bytes of a block of the store.
const STORE_BLOCK: u64 = 4096;

/// Slot A of an image.
pub struct Slot {
    pub version: String,
    pub store: Extent,
    pub store_id: uuid::Uuid,
    pub verity: Extent,
    pub verity_id: uuid::Uuid,
}

impl Slot {
    /// The slot that `layout` describes in the image at `path`.
    ///
    /// # Errors
    /// Why the image has no such slot, or one without a version, as the rest of a sentence that begins with the image's name.
    pub fn find(path: &Path, layout: &Layout) -> Result<Self, String> {
        let partitions =
            gpt::partitions(path).map_err(|error| format!("is unreadable: {error}"))?;
        let of_type = |kind: &Type| {
            let guid = kind.guid;
            partitions
                .values()
                .filter(move |partition| partition.part_type_guid.guid == guid)
                .filter_map(|partition| Some((partition, gpt::extent(partition)?)))
        };
        let (store, extent) = of_type(&STORE)
            .find(|(_, extent)| *extent == layout.store)
            .ok_or("has no store")?;
        let version = store
            .name
            .strip_prefix("store_")
            .filter(|version| is_version(version))
            .ok_or_else(|| {
                format!(
                    "has a store labelled {:?}, not store_ and a version of {DIGITS} digits: build it again",
                    store.name
                )
            })?;
        let wanted = format!("verity_{version}");
        let (verity, verity_extent) = of_type(&VERITY)
            .find(|(partition, _)| partition.name == wanted)
            .ok_or_else(|| {
                format!("has no partition {wanted} with the hashes of its store: build it again")
            })?;
        Ok(Slot {
            version: version.to_string(),
            store: extent,
            store_id: store.part_guid,
            verity: verity_extent,
            verity_id: verity.part_guid,
        })
    }
}

/// The first `START` bytes of the partition at `extent`.
///
/// # Errors
/// It cannot be read.
pub fn start(path: &Path, extent: Extent) -> Result<Vec<u8>> {
    let mut bytes = vec![0; START];
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.seek(SeekFrom::Start(extent.offset))?;
    file.read_exact(&mut bytes).map_err(|error| {
        let path = path.display();
        Error::msg(match error.kind() {
            ErrorKind::UnexpectedEof => {
                format!("{path} is cut off: build or download it again")
            }
            _ => format!("cannot read {path}: {error}"),
        })
    })?;
    Ok(bytes)
}

/// The file system in the store's partition, which begins with `start`.
///
/// # Errors
/// Why there is none, as the rest of a sentence that begins with the image's name.
pub fn store_extent(partition: Extent, start: &[u8]) -> Result<Extent, String> {
    let length = erofs_bytes(start).ok_or("has a store that is not an erofs: build it again")?;
    if length > partition.length || length % STORE_BLOCK != 0 {
        return Err(format!(
            "has a store of {length} bytes, which is not a number of blocks of {STORE_BLOCK} that fits into its partition of {} bytes: build it again",
            partition.length
        ));
    }
    Ok(Extent {
        offset: partition.offset,
        length,
    })
}
