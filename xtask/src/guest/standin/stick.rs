//! The stick image: the partitions of the NixOS image (ESP, STORE, PERSIST), with Debian in STORE.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use ::stick::esp;
use ::stick::gpt::partition_types::{BASIC, LINUX_FS};
use ::stick::gpt::{self, Extent, NewPartition};
use ::stick::units::MIB;
use anyhow::{Context, Result};
use uuid::Uuid;

/// Free space before the first partition, and before PERSIST for the image's own backup table.
const MARGIN: u64 = MIB;
const ESP: u64 = 32 * MIB;
/// PERSIST in the table of a fresh image; the stick's first boot grows it.
const PERSIST: u64 = 16 * MIB;

/// The measures of the image, as a part of the base's name in the cache.
pub fn shape(disk_id: Uuid) -> String {
    format!("{disk_id} {MARGIN} {ESP} {PERSIST}")
}

/// Writes `image` with the file system `store` in its second partition. The file ends where PERSIST starts, so that it
/// can be written over a used stick and leaves PERSIST alone.
pub fn write(store: &Path, image: &Path, disk_id: Uuid) -> Result<()> {
    let mut source =
        File::open(store).with_context(|| format!("cannot read {}", store.display()))?;
    let store_size = source.metadata()?.len().next_multiple_of(MIB);
    let store_start = MARGIN + ESP;
    let persist_start = store_start + store_size + MARGIN;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(image)
        .with_context(|| format!("cannot write {}", image.display()))?;
    file.set_len(persist_start)?;
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
            new("STORE", store_start, store_size, LINUX_FS),
            new("PERSIST", persist_start, PERSIST, LINUX_FS),
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
    fn the_image_ends_where_persist_starts_and_lists_it() {
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
                (2, "STORE", 33, 34),
                (3, "PERSIST", 36, 51)
            ]
        );
        assert_eq!(std::fs::metadata(&image).unwrap().len(), 36 * MIB);
        let written = std::fs::read(&image).unwrap();
        assert!(written[33 * MIB as usize..].starts_with(&content));
        assert_eq!(&written[510..512], [0x55, 0xaa], "the protective MBR");
    }
}
