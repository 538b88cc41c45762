//! How much of a partition with dm-verity's hashes is used.

use crate::gpt::Extent;

/// Where the fields of the superblock are (cryptsetup, lib/verity/verity.c, struct verity_sb). All numbers are little-endian.
const SIGNATURE: &[u8; 8] = b"verity\0\0";
const VERSION: usize = 8;
const ALGORITHM: usize = 32;
const DATA_BLOCK: usize = 64;
const HASH_BLOCK: usize = 68;
const DATA_BLOCKS: usize = 72;
const LENGTH: usize = 512;

/// What the superblock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superblock {
    pub(super) data_block: u64,
    pub(super) hash_block: u64,
    pub(super) data_blocks: u64,
    pub(super) digest: u64,
}

impl Superblock {
    /// Reads the superblock at the `start` of a partition; None if there is none, or its format is not known.
    pub fn read(start: &[u8]) -> Option<Self> {
        let block = start.get(..LENGTH)?;
        let word = |at: usize| {
            let bytes = block[at..at + 4].try_into().expect("four bytes");
            u64::from(u32::from_le_bytes(bytes))
        };
        let data_blocks = block[DATA_BLOCKS..DATA_BLOCKS + 8].try_into();
        let algorithm = block[ALGORITHM..DATA_BLOCK]
            .split(|byte| *byte == 0)
            .next()?;
        let digest = match algorithm {
            b"sha256" => 32,
            b"sha512" => 64,
            _ => return None,
        };
        let superblock = Superblock {
            data_block: word(DATA_BLOCK),
            hash_block: word(HASH_BLOCK),
            data_blocks: u64::from_le_bytes(data_blocks.expect("eight bytes")),
            digest,
        };
        let sizes = [superblock.data_block, superblock.hash_block];
        let sane = sizes
            .iter()
            .all(|size| size.is_power_of_two() && (512..=1 << 19).contains(size));
        (block.starts_with(SIGNATURE) && word(VERSION) == 1 && sane).then_some(superblock)
    }

    /// Bytes of data that the hashes cover.
    pub fn data_bytes(&self) -> u64 {
        self.data_blocks.saturating_mul(self.data_block)
    }

    /// Bytes from the start of the partition to the end of the hashes. The superblock takes a block, and each level has a hash
    /// for every block of the level below, up to a level of one block.
    pub fn used_bytes(&self) -> u64 {
        let in_a_block = self.hash_block / self.digest;
        let (mut blocks, mut below) = (1, self.data_blocks);
        while below > 1 {
            below = below.div_ceil(in_a_block);
            blocks += below;
        }
        blocks * self.hash_block
    }
}

/// The used part of a `partition` of hashes. `start` is its first bytes, and `store` the length of the store in bytes.
///
/// # Errors
/// Why these are not the store's hashes, as the rest of a sentence that begins with the image's name.
pub fn extent(partition: Extent, start: &[u8], store: u64) -> Result<Extent, String> {
    let superblock = Superblock::read(start)
        .ok_or("has hashes of its store without a superblock (dm-verity): build it again")?;
    let (length, data) = (superblock.used_bytes(), superblock.data_bytes());
    if data < store || length > partition.length {
        return Err(format!(
            "has hashes for {data} bytes ({length} bytes long, in a partition of {}), which are not those of its store of {store} bytes: build it again",
            partition.length
        ));
    }
    Ok(Extent {
        offset: partition.offset,
        length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::verity_superblock;

    fn used_blocks(data_blocks: u64) -> u64 {
        let superblock = Superblock::read(&verity_superblock(data_blocks)).unwrap();
        superblock.used_bytes() / 4096
    }

    #[test]
    fn every_level_has_a_hash_for_each_block_below() {
        // One block is its own root; 128 hashes of 32 bytes are in a block of 4096.
        for (data, used) in [
            (1, 1),
            (2, 1 + 1),
            (128, 1 + 1),
            (129, 1 + 2 + 1),
            (128 * 128, 1 + 128 + 1),
            (128 * 128 + 1, 1 + 129 + 2 + 1),
            // An image of 2026, whose hashes were seen to end there.
            (139_018, 1 + 1087 + 9 + 1),
        ] {
            assert_eq!(used_blocks(data), used, "{data}");
        }
    }

    #[test]
    fn other_superblocks_are_refused() {
        let good = verity_superblock(10);
        assert!(Superblock::read(&good).is_some());
        assert!(Superblock::read(&good[..511]).is_none());
        for place in [0, 8, 32, 64, 68] {
            let mut other = good.clone();
            other[place] ^= 1;
            assert!(Superblock::read(&other).is_none(), "{place}");
        }
    }

    #[test]
    fn hashes_have_to_cover_the_store_and_fit() {
        let superblock = verity_superblock(10);
        let partition = |length| Extent { offset: 7, length };
        let found = extent(partition(8192), &superblock, 10 * 4096).unwrap();
        assert_eq!((found.offset, found.length), (7, 8192));
        for (length, store) in [(8192, 10 * 4096 + 1), (8191, 10 * 4096)] {
            let error = extent(partition(length), &superblock, store).unwrap_err();
            assert!(error.contains("not those of its store"), "{error}");
        }
    }
}
