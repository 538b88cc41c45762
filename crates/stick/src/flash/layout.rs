//! Which parts an image has, and which of their bytes anything ever reads.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, Write};
use std::ops::Range;

use gpt::disk::LogicalBlockSize;
use gpt::partition::Partition;

use super::MIB;
use crate::gpt::{Extent, SECTOR};

/// A stick's partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub esp: Extent,
    pub store: Extent,
    /// The image ends where it begins.
    pub persist: Extent,
    /// What PERSIST is called, which its owner may choose.
    pub persist_name: String,
}

impl Layout {
    /// Reads the partition table at the `start` of an image (at least its first 34 sectors).
    ///
    /// # Errors
    /// What the image lacks, as the rest of a sentence that begins with its name.
    pub fn of(start: &[u8]) -> Result<Self, String> {
        let not_ours = |why: &str| {
            format!("{why}: an image of the stick is needed, raw or compressed with zstd")
        };
        let partitions = partitions(Cursor::new(start.to_vec()))
            .ok_or_else(|| not_ours("has no partition table (GPT)"))?;
        let named = |name: &str| {
            find(&partitions, name)
                .next()
                .ok_or_else(|| not_ours(&format!("has no partition called {name}")))
        };
        let (esp, store) = (named("ESP")?, named("STORE")?);
        let (persist_name, persist) = partitions
            .values()
            .filter_map(|partition| Some((partition.name.clone(), extent(partition)?)))
            .max_by_key(|(_, extent)| extent.offset)
            .filter(|(_, extent)| extent.offset >= store.offset + store.length)
            .ok_or_else(|| not_ours("has no partition behind STORE, for PERSIST"))?;
        let whole = [esp, store, persist]
            .iter()
            .all(|extent| extent.offset > 0 && extent.offset % MIB == 0);
        if !whole || esp.offset + esp.length > store.offset {
            return Err(not_ours("has its partitions elsewhere than a stick does"));
        }
        Ok(Layout {
            esp,
            store,
            persist,
            persist_name,
        })
    }
}

/// The entries of the GPT on `disk`, of its backup when the first is damaged.
pub fn partitions(
    disk: impl Read + Write + Seek + std::fmt::Debug,
) -> Option<BTreeMap<u32, Partition>> {
    let disk = gpt::GptConfig::new()
        .logical_block_size(LogicalBlockSize::Lb512)
        .open_from_device(disk)
        .ok()?;
    Some(disk.partitions().clone())
}

/// Where the partitions called `name` are.
pub fn find<'a>(
    partitions: &'a BTreeMap<u32, Partition>,
    name: &'a str,
) -> impl Iterator<Item = Extent> + 'a {
    partitions
        .values()
        .filter(move |partition| partition.name == name)
        .filter_map(extent)
}

/// None for an entry that no disk can have.
fn extent(partition: &Partition) -> Option<Extent> {
    let sane =
        partition.first_lba <= partition.last_lba && partition.last_lba < u64::MAX / SECTOR - 1;
    sane.then(|| Extent::from(partition))
}

/// Where the superblock of an erofs file system is, and what of it is needed here.
const SUPERBLOCK: Range<usize> = 1024..1024 + 128;
const EROFS_MAGIC: u32 = 0xe0f5_e1e2;
/// The number of blocks has more bits elsewhere.
const EROFS_48BIT: u32 = 0x80;

/// Bytes that the erofs file system at the beginning of `store` takes: what is behind them is never read (Linux,
/// fs/erofs/erofs_fs.h, struct erofs_super_block). None for another file system, or one whose size is not certain.
pub fn erofs_bytes(store: &[u8]) -> Option<u64> {
    let block = store.get(SUPERBLOCK)?;
    let word =
        |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let bits = u32::from(block[12]);
    let known = word(0) == EROFS_MAGIC && word(80) & EROFS_48BIT == 0 && (9..=16).contains(&bits);
    known.then(|| u64::from(word(36)) << bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpt::test_image;

    fn start_of_image() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let mut start = std::fs::read(test_image(folder.path())).unwrap();
        start.truncate(MIB as usize);
        start
    }

    #[test]
    fn a_stick_is_known_by_its_table() {
        let layout = Layout::of(&start_of_image()).unwrap();
        assert_eq!(layout.esp.offset, MIB);
        assert_eq!(layout.store.offset, 41 * MIB);
        assert_eq!(layout.persist.offset, 46 * MIB);
        assert_eq!(layout.persist_name, "PERSIST");
    }

    #[test]
    fn anything_else_is_refused() {
        for start in [&[][..], &[7; 4096], &vec![0; 1 << 20]] {
            assert!(
                Layout::of(start)
                    .unwrap_err()
                    .starts_with("has no partition table (GPT)")
            );
        }
        // A bit of the header, and one of an entry: each has its checksum.
        for place in [512 + 40, 1024 + 56] {
            let mut garbled = start_of_image();
            garbled[place] ^= 1;
            assert!(
                Layout::of(&garbled).unwrap_err().contains("(GPT)"),
                "{place}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::File::create(&path)
            .unwrap()
            .set_len(8 * MIB)
            .unwrap();
        let mut disk = gpt::GptConfig::new().writable(true).create(&path).unwrap();
        disk.add_partition(
            "Windows",
            4 * MIB,
            gpt::partition_types::BASIC,
            0,
            Some(2048),
        )
        .unwrap();
        disk.write().unwrap();
        let refusal = Layout::of(&std::fs::read(&path).unwrap()).unwrap_err();
        assert!(
            refusal.starts_with("has no partition called ESP"),
            "{refusal}"
        );
    }

    #[test]
    fn an_erofs_says_how_long_it_is() {
        let mut store = vec![0; 4096];
        assert_eq!(erofs_bytes(&store), None);
        store[1024..1028].copy_from_slice(&EROFS_MAGIC.to_le_bytes());
        store[1024 + 12] = 12;
        store[1024 + 36..1024 + 40].copy_from_slice(&300_000u32.to_le_bytes());
        assert_eq!(erofs_bytes(&store), Some(300_000 * 4096));
        store[1024 + 80] = 0x80;
        assert_eq!(erofs_bytes(&store), None);
        assert_eq!(erofs_bytes(&store[..1100]), None);
    }
}
