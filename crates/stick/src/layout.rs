//! The partitions of a stick, and how much of a store is ever read.

use std::io::Cursor;
use std::ops::Range;

use ::gpt::partition_types::OperatingSystem;
use uuid::uuid;

use crate::gpt::{self, Extent, Type};
use crate::units::MIB;

/// The types of a slot's partitions: the store, and its hashes (Discoverable Partitions Specification, `/usr` for x86-64).
pub const STORE: Type = Type {
    guid: uuid!("8484680c-9521-48c6-9c11-b0720656f69e"),
    os: OperatingSystem::Linux,
};
pub const VERITY: Type = Type {
    guid: uuid!("77ff5f63-e7b6-4633-acf4-1565b864c0e6"),
    os: OperatingSystem::Linux,
};
/// The name of the partition with the system in layout 1.
pub const LAYOUT_1_STORE: &str = "STORE";
/// The backup table of the image, behind slot A.
const TABLE: u64 = MIB;

/// A stick's partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// 1: one STORE, and PERSIST right behind it. 2: two slots, each a store with its hashes.
    pub version: u32,
    pub esp: Extent,
    /// Of slot A.
    pub store: Extent,
    /// Bytes of the image: it ends behind slot A.
    pub image_bytes: u64,
    pub persist: Extent,
    /// What PERSIST is called, which its owner may choose.
    pub persist_name: String,
}

impl Layout {
    /// Reads the partition table at the `start` of an image (at least its first 34 sectors).
    ///
    /// # Errors
    /// Why it is not an image of a stick, as the rest of a sentence that begins with its name.
    pub fn of(start: &[u8]) -> Result<Self, String> {
        let not_ours = |why: &str| {
            format!(
                "{why}, so it is not an image of the stick: give a release's file ….raw.zst, or the .raw that Nix has built"
            )
        };
        let partitions = gpt::read(Cursor::new(start.to_vec()))
            .ok_or_else(|| not_ours("has no partition table (GPT)"))?;
        let esp = gpt::named(&partitions, "ESP")
            .next()
            .ok_or_else(|| not_ours("has no partition called ESP"))?;
        let slot_a = partitions
            .values()
            .filter(|partition| partition.part_type_guid.guid == STORE.guid)
            .filter_map(gpt::extent)
            .min_by_key(|extent| extent.offset);
        let (version, store) = match slot_a {
            Some(store) => (2, store),
            None => gpt::named(&partitions, LAYOUT_1_STORE)
                .next()
                .map(|store| (1, store))
                .ok_or_else(|| not_ours("has no partition for the system"))?,
        };
        let image_bytes = store.offset + store.length + TABLE;
        let (persist_name, persist) = partitions
            .values()
            .filter_map(|partition| Some((partition.name.clone(), gpt::extent(partition)?)))
            .max_by_key(|(_, extent)| extent.offset)
            .filter(|(_, extent)| extent.offset >= image_bytes)
            .ok_or_else(|| not_ours("has no partition behind its end, for PERSIST"))?;
        let whole = [esp, store, persist]
            .iter()
            .all(|extent| extent.offset > 0 && extent.offset % MIB == 0);
        if !whole || esp.offset + esp.length > store.offset {
            return Err(not_ours("has its partitions elsewhere than a stick does"));
        }
        Ok(Layout {
            version,
            esp,
            store,
            image_bytes,
            persist,
            persist_name,
        })
    }
}

/// The place of the superblock in an erofs file system.
const SUPERBLOCK: Range<usize> = 1024..1024 + 128;
const EROFS_MAGIC: u32 = 0xe0f5_e1e2;
/// The number of blocks has more bits elsewhere.
const EROFS_48BIT: u32 = 0x80;

/// The size of the erofs file system at the beginning of `store`, in bytes: everything behind it is never read (Linux,
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
    use crate::gpt::NewPartition;
    use crate::testing::{layout_1_image, test_image};

    fn start_of(image: &std::path::Path) -> Vec<u8> {
        let mut start = std::fs::read(image).unwrap();
        start.truncate(MIB as usize);
        start
    }

    fn start_of_image() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        start_of(&test_image(folder.path()))
    }

    #[test]
    fn a_stick_is_recognised_by_its_table() {
        let layout = Layout::of(&start_of_image()).unwrap();
        assert_eq!(layout.version, 2);
        assert_eq!(layout.esp.offset, MIB);
        assert_eq!(layout.store.offset, 41 * MIB);
        assert_eq!(layout.image_bytes, 46 * MIB);
        assert_eq!(layout.persist.offset, 52 * MIB);
        assert_eq!(layout.persist_name, "PERSIST");
    }

    #[test]
    fn an_image_of_layout_1_ends_where_persist_begins() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::of(&start_of(&layout_1_image(folder.path()))).unwrap();
        assert_eq!(layout.version, 1);
        assert_eq!(layout.store.offset, 41 * MIB);
        assert_eq!(layout.persist.offset, layout.image_bytes);
        assert_eq!(layout.image_bytes, 46 * MIB);
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
        let mut file = std::fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        file.set_len(8 * MIB).unwrap();
        let windows = NewPartition {
            name: "Windows",
            extent: Extent {
                offset: MIB,
                length: 4 * MIB,
            },
            kind: gpt::partition_types::BASIC,
        };
        gpt::create(&mut file, None, &[windows]).unwrap();
        let refusal = Layout::of(&std::fs::read(&path).unwrap()).unwrap_err();
        assert!(
            refusal.starts_with("has no partition called ESP"),
            "{refusal}"
        );
    }

    #[test]
    fn the_size_of_an_erofs_is_in_its_superblock() {
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
