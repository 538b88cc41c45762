//! The stick image: the partitions of the NixOS image, with Debian in slot A. Nothing reads the others but PERSIST and ESP: this
//! guest has no hashes, and is not updated.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use ::stick::esp;
use ::stick::gpt::partition_types::{BASIC, LINUX_FS};
use ::stick::gpt::{self, Extent, NewPartition};
use ::stick::layout::{STORE, VERITY};
use ::stick::units::MIB;
use anyhow::{Context, Result};
use uuid::Uuid;

/// Free space before the first partition, and before PERSIST for the image's own backup table.
const MARGIN: u64 = MIB;
const ESP: u64 = 32 * MIB;
/// Each partition that nothing reads: what systemd-repart takes a partition to need.
const UNUSED: u64 = 10 * MIB;
/// PERSIST in the table of a fresh image; the stick's first boot grows it.
const PERSIST: u64 = 16 * MIB;

/// The measures of the image, as a part of the base's name in the cache.
pub fn shape(disk_id: Uuid) -> String {
    format!("{disk_id} {MARGIN} {ESP} {UNUSED} {PERSIST}")
}

/// Writes `image` with the file system `store` in its third partition, that of slot A. The file ends behind it, so that it
/// can be written over a used stick and leaves PERSIST alone.
pub fn write(store: &Path, image: &Path, disk_id: Uuid) -> Result<()> {
    let mut source =
        File::open(store).with_context(|| format!("cannot read {}", store.display()))?;
    let store_size = source.metadata()?.len().next_multiple_of(MIB);
    let store_start = MARGIN + ESP + UNUSED;
    let end = store_start + store_size + MARGIN;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(image)
        .with_context(|| format!("cannot write {}", image.display()))?;
    file.set_len(end)?;
    let new = |name, offset, length, kind| NewPartition {
        name,
        extent: Extent { offset, length },
        kind,
    };
    gpt::create(
        &mut file,
        Some(disk_id),
        &[
            new("ESP", MARGIN, ESP, BASIC),
            new("verity", MARGIN + ESP, UNUSED, VERITY),
            new("store", store_start, store_size, STORE),
            new("_empty", end, UNUSED, VERITY),
            new("_empty", end + UNUSED, UNUSED, STORE),
            new("PERSIST", end + 2 * UNUSED, PERSIST, LINUX_FS),
        ],
    )?;
    let extent = Extent {
        offset: MARGIN,
        length: ESP,
    };
    esp::format(file.try_clone()?, extent)?;
    copy_with_holes(&mut source, &mut file, store_start)
}

/// Copies `source` to the offset `start` of `target`, with holes in the place of zeros.
fn copy_with_holes(source: &mut File, target: &mut File, start: u64) -> Result<()> {
    let mut chunk = vec![0; 256 * 1024];
    let mut at = start;
    loop {
        let length = source.read(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        let data = &chunk[..length];
        // Comparing slices is quick even in an unoptimised build; a loop over bytes is not.
        if data[0] != 0 || data[..length - 1] != data[1..] {
            target.seek(SeekFrom::Start(at))?;
            target.write_all(data)?;
        }
        at += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_ends_behind_slot_a_and_lists_what_follows() {
        let folder = tempfile::tempdir().unwrap();
        let (store, image) = (folder.path().join("store"), folder.path().join("image"));
        let mut content = vec![0; 3 * MIB as usize / 2];
        content[MIB as usize..].fill(7);
        std::fs::write(&store, &content).unwrap();
        write(&store, &image, Uuid::from_u128(5)).unwrap();

        assert_eq!(gpt::disk_id(&image).unwrap(), Uuid::from_u128(5));
        let table = gpt::partitions(&image).unwrap();
        let listed: Vec<_> = table
            .iter()
            .map(|(number, part)| {
                let extent = Extent::from(part);
                let end = extent.offset + extent.length;
                (
                    *number,
                    part.name.as_str(),
                    extent.offset / MIB,
                    end / MIB - 1,
                )
            })
            .collect();
        assert_eq!(
            listed,
            [
                (1, "ESP", 1, 32),
                (2, "verity", 33, 42),
                (3, "store", 43, 44),
                (4, "_empty", 46, 55),
                (5, "_empty", 56, 65),
                (6, "PERSIST", 66, 81)
            ]
        );
        assert_eq!(std::fs::metadata(&image).unwrap().len(), 46 * MIB);
        let written = std::fs::read(&image).unwrap();
        assert!(written[43 * MIB as usize..].starts_with(&content));
        assert_eq!(&written[510..512], [0x55, 0xaa], "the protective MBR");
    }
}
