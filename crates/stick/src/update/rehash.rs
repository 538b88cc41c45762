//! Hashes a store again with another salt (dm-verity, format 1; cryptsetup, wiki, "DMVerity").
//!
//! The hashes are a superblock, then the levels, the highest first. Each block of a level has the hashes of 128 blocks of the
//! level below, and each block of the lowest level those of 128 blocks of the store.

use std::io::Read;

use anyhow::Error;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::verity::Superblock;

/// Bytes of a block, both of the store and of the hashes, as modules/layout.nix sets it.
const BLOCK: usize = 4096;
/// Bytes of the superblock, which has a block of its own.
pub const SUPERBLOCK: usize = 512;
/// Offsets of its fields.
const HASH_TYPE: usize = 12;
const SALT_SIZE: usize = 80;
const SALT: usize = 88;
const SALT_BYTES: usize = 32;

type Hash = [u8; 32];

/// The hashes of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// Superblock and levels, as they are at the start of the partition.
    pub area: Vec<u8>,
    pub root: Hash,
}

impl Hashes {
    /// The root in hex, as `usrhash=` on the command line has it.
    pub fn root_hex(&self) -> String {
        hex::encode(self.root)
    }

    /// The IDs that systemd-repart gives to the partitions of the store and of these hashes: the halves of the root.
    pub fn partition_ids(&self) -> (Uuid, Uuid) {
        let id = |half: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&self.root[half * 16..][..16]);
            Uuid::from_bytes(bytes)
        };
        (id(0), id(1))
    }
}

/// The salt in a superblock.
pub fn salt(superblock: &[u8; SUPERBLOCK]) -> Hash {
    let mut salt = Hash::default();
    salt.copy_from_slice(&superblock[SALT..][..SALT_BYTES]);
    salt
}

/// Hashes `store` as `superblock` says, but with `salt`, so that the same content gets another root.
///
/// # Errors
/// The superblock is not one that systemd-repart writes for our images, or the store cannot be read to its end.
pub fn rehash(
    superblock: &[u8; SUPERBLOCK],
    salt: &Hash,
    mut store: impl Read,
) -> anyhow::Result<Hashes> {
    let blocks = data_blocks(superblock).ok_or_else(|| {
        Error::msg(
            "the hashes are not dm-verity's with SHA-256, blocks of 4096 bytes and a salt of 32 bytes: use an image of layout 2",
        )
    })?;
    let hash = |block: &[u8]| -> Hash {
        Sha256::new()
            .chain_update(salt)
            .chain_update(block)
            .finalize()
            .into()
    };
    let mut lowest = Vec::new();
    let mut block = [0; BLOCK];
    for _ in 0..blocks {
        store.read_exact(&mut block)?;
        lowest.extend(hash(&block));
    }
    let mut levels = vec![padded(lowest)];
    while let Some(level) = levels.last().filter(|level| level.len() > BLOCK) {
        levels.push(padded(level.chunks(BLOCK).flat_map(hash).collect()));
    }
    let root = hash(levels.last().map_or(&[], Vec::as_slice));
    let mut first = superblock.to_vec();
    first[SALT..][..SALT_BYTES].copy_from_slice(salt);
    levels.push(padded(first));
    levels.reverse();
    Ok(Hashes {
        area: levels.concat(),
        root,
    })
}

/// `bytes`, filled up with zeros to whole blocks.
fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// The store's length in blocks. None for hashes of another kind, and for a single block, which has no levels.
fn data_blocks(superblock: &[u8; SUPERBLOCK]) -> Option<u64> {
    let read = Superblock::read(superblock)?;
    let block = BLOCK as u64;
    let known = (read.data_block, read.hash_block, read.digest) == (block, block, 32)
        && superblock[HASH_TYPE..][..4] == [1, 0, 0, 0]
        && superblock[SALT_SIZE..][..2] == [SALT_BYTES as u8, 0];
    (known && read.data_blocks > 1).then_some(read.data_blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::verity_superblock;

    fn superblock(blocks: u64) -> [u8; SUPERBLOCK] {
        let mut superblock: [u8; SUPERBLOCK] = verity_superblock(blocks).try_into().unwrap();
        superblock[HASH_TYPE] = 1;
        superblock[SALT_SIZE] = SALT_BYTES as u8;
        superblock
    }

    /// A block as `printf 'SALT…BLOCK…' | sha256sum` hashes it.
    fn hash(salt: u8, block: &[u8]) -> Vec<u8> {
        let text = [&[salt; 32][..], block].concat();
        hex::decode(crate::digest::sha256_hex(&text)).unwrap()
    }

    fn block_of(hashes: Vec<u8>) -> Vec<u8> {
        [&hashes[..], &vec![0; BLOCK - hashes.len()]].concat()
    }

    #[test]
    fn two_levels_are_behind_the_superblock_and_the_upper_one_is_first() {
        let store: Vec<u8> = (0..130 * BLOCK).map(|at| (at / BLOCK) as u8).collect();
        let hashes = rehash(&superblock(130), &[7; 32], &store[..]).unwrap();
        let each: Vec<_> = store.chunks(BLOCK).map(|block| hash(7, block)).collect();
        let (first, second) = (each[..128].concat(), block_of(each[128..].concat()));
        let upper = block_of([hash(7, &first), hash(7, &second)].concat());
        let mut described = superblock(130).to_vec();
        described[88..120].fill(7);
        let expected = [
            &described[..],
            &[0; BLOCK - SUPERBLOCK],
            &upper,
            &first,
            &second,
        ];
        assert!(hashes.area == expected.concat());
        assert_eq!(hashes.root.to_vec(), hash(7, &upper));
        let used = Superblock::read(&superblock(130)).unwrap().used_bytes();
        assert_eq!(hashes.area.len() as u64, used);
        let (store_id, verity_id) = hashes.partition_ids();
        let ids = format!("{}{}", store_id.simple(), verity_id.simple());
        assert_eq!(ids, hashes.root_hex());
        assert_eq!(
            salt(&hashes.area[..SUPERBLOCK].try_into().unwrap()),
            [7; 32]
        );
    }

    #[test]
    fn a_store_of_two_blocks_has_one_level() {
        let store = [[1; BLOCK], [2; BLOCK]].concat();
        let hashes = rehash(&superblock(2), &[0; 32], &store[..]).unwrap();
        assert_eq!(hashes.area.len(), 2 * BLOCK);
        assert_eq!(hashes.root.to_vec(), hash(0, &hashes.area[BLOCK..]));
    }

    #[test]
    fn hashes_of_another_kind_and_a_short_store_are_refused() {
        let store = vec![0; 2 * BLOCK];
        for place in [0, 8, 12, 32, 38, 65, 69, 80] {
            let mut other = superblock(2);
            other[place] ^= 2;
            let error = rehash(&other, &[0; 32], &store[..]).unwrap_err();
            assert!(error.to_string().contains("layout 2"), "{place}: {error}");
        }
        assert!(rehash(&superblock(0), &[0; 32], &store[..]).is_err());
        assert!(rehash(&superblock(3), &[0; 32], &store[..]).is_err());
    }
}
