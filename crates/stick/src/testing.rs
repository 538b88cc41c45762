//! Small images of a stick, for tests: real partitions, and content with just enough form to be recognised.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::gpt::partition_types::{BASIC, LINUX_FS};
use crate::gpt::{self, Extent, NewPartition};
use crate::layout::{self, LAYOUT_1_STORE};
use crate::units::MIB;
use crate::{esp, update};

/// A whole block of every file system here.
const BLOCK: usize = 4096;

/// The partitions of a small image. Lengths are in MiB; PERSIST has 16.
#[derive(Debug, Clone)]
pub struct SmallImage {
    /// 1: a store, and PERSIST right behind the image's end. 2: two slots, the second behind the image's end.
    pub layout: u32,
    pub esp: u64,
    /// Hashes of either slot; in layout 1 a gap.
    pub verity: u64,
    pub store: u64,
    /// The store of slot B.
    pub store_b: u64,
    /// In the names of slot A's partitions.
    pub version: String,
}

impl Default for SmallImage {
    fn default() -> Self {
        SmallImage {
            layout: 2,
            esp: 38,
            verity: 2,
            store: 4,
            store_b: 4,
            version: "1".into(),
        }
    }
}

impl SmallImage {
    /// The place of the ESP.
    pub fn esp(&self) -> Extent {
        extent(1, self.esp)
    }

    /// The place of slot A's hashes.
    pub fn verity(&self) -> Extent {
        extent(1 + self.esp, self.verity)
    }

    /// The place of slot A's store.
    pub fn store(&self) -> Extent {
        extent(1 + self.esp + self.verity, self.store)
    }

    /// The image's length: it ends with its backup table, behind slot A.
    pub fn length(&self) -> u64 {
        self.store().offset + self.store().length + MIB
    }

    /// The place of PERSIST, behind the image's end.
    pub fn persist(&self) -> Extent {
        let slot_b = match self.layout {
            1 => 0,
            _ => self.verity + self.store_b,
        };
        extent(self.length() / MIB + slot_b, 16)
    }

    /// Makes the image at `path`, with a partition table and nothing else.
    ///
    /// # Errors
    /// It cannot be written, or there is such a file.
    pub fn create(&self, path: &Path) -> Result<File> {
        let end = self.length() / MIB;
        let verity = format!("verity_{}", self.version);
        let store = format!("store_{}", self.version);
        let new = |name, extent, kind| NewPartition { name, extent, kind };
        let partitions = match self.layout {
            1 => vec![
                new("ESP", self.esp(), BASIC),
                new(LAYOUT_1_STORE, self.store(), LINUX_FS),
                new("PERSIST", self.persist(), LINUX_FS),
            ],
            _ => vec![
                new("ESP", self.esp(), BASIC),
                new(&verity, self.verity(), layout::VERITY),
                new(&store, self.store(), layout::STORE),
                new("_empty", extent(end, self.verity), layout::VERITY),
                new(
                    "_empty",
                    extent(end + self.verity, self.store_b),
                    layout::STORE,
                ),
                new("PERSIST", self.persist(), LINUX_FS),
            ],
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        file.set_len(self.length())?;
        gpt::create(&mut file, None, &partitions)?;
        Ok(file)
    }

    /// The same with an ESP, and with `content` as the store's file system: an erofs, as far as its superblock tells.
    ///
    /// # Errors
    /// It cannot be written, or `content` is shorter than a superblock.
    pub fn with_store(&self, path: &Path, mut content: Vec<u8>) -> Result<File> {
        let file = self.create(path)?;
        esp::format(file.try_clone()?, self.esp())?;
        content.resize(content.len().next_multiple_of(BLOCK), 0);
        let blocks = u32::try_from(content.len() / BLOCK)?;
        content[1024..1152].fill(0);
        content[1024..1028].copy_from_slice(&0xe0f5_e1e2u32.to_le_bytes());
        // The size of a block: 2^12 bytes.
        content[1024 + 12] = 12;
        content[1024 + 36..1024 + 40].copy_from_slice(&blocks.to_le_bytes());
        put(&file, self.store().offset, &content)?;
        Ok(file)
    }

    /// The same with all that an update is made of: hashes of the store, as far as their superblock tells, and a UKI
    /// that contains `os_release`.
    ///
    /// # Errors
    /// As for [`Self::with_store`].
    pub fn with_system(&self, path: &Path, content: Vec<u8>, os_release: &str) -> Result<File> {
        let blocks = content.len().div_ceil(BLOCK) as u64;
        let file = self.with_store(path, content)?;
        put(&file, self.verity().offset, &verity_superblock(blocks))?;
        let name = update::uki_path(&self.version);
        esp::write(path, self.esp(), &name, &uki(os_release))?;
        Ok(file)
    }
}

/// Writes `bytes` at `offset`, on any system.
///
/// # Errors
/// The file cannot be written.
pub fn put(mut file: &File, offset: u64, bytes: &[u8]) -> Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    Ok(file.write_all(bytes)?)
}

fn extent(offset: u64, length: u64) -> Extent {
    Extent {
        offset: offset * MIB,
        length: length * MIB,
    }
}

/// The file `image` in `folder`: 46 MiB with a partition table, which lists slot B and PERSIST (at 52 MiB) behind its end.
///
/// # Panics
/// It cannot be written.
pub fn test_image(folder: &Path) -> PathBuf {
    let path = folder.join("image");
    SmallImage::default().create(&path).expect("an image");
    path
}

/// As [`test_image`], of layout 1. PERSIST is at 46 MiB.
///
/// # Panics
/// It cannot be written.
pub fn layout_1_image(folder: &Path) -> PathBuf {
    let path = folder.join("image");
    let image = SmallImage {
        layout: 1,
        ..SmallImage::default()
    };
    image.create(&path).expect("an image");
    path
}

/// The superblock of the hashes (SHA-256, all blocks of 4096 bytes) of `blocks` blocks.
pub fn verity_superblock(blocks: u64) -> Vec<u8> {
    let mut superblock = vec![0; 512];
    superblock[..8].copy_from_slice(b"verity\0\0");
    superblock[8] = 1;
    superblock[12] = 1;
    superblock[32..38].copy_from_slice(b"sha256");
    for place in [64, 68] {
        superblock[place..place + 4].copy_from_slice(&(BLOCK as u32).to_le_bytes());
    }
    superblock[72..80].copy_from_slice(&blocks.to_le_bytes());
    superblock
}

/// A PE file (Microsoft, "PE Format") with one section, `.osrel`, that contains `os_release`.
pub fn uki(os_release: &str) -> Vec<u8> {
    const PE: usize = 0x40;
    const OPTIONAL: usize = 112;
    const SECTION: usize = PE + 24 + OPTIONAL;
    const CONTENT: usize = 512;
    let mut file = vec![0; CONTENT];
    let mut put = |place: usize, bytes: &[u8]| {
        file[place..place + bytes.len()].copy_from_slice(bytes);
    };
    put(0, b"MZ");
    put(0x3c, &(PE as u32).to_le_bytes());
    put(PE, b"PE\0\0\x64\x86\x01\0");
    put(PE + 20, &(OPTIONAL as u16).to_le_bytes());
    // PE32+, no data directories.
    put(PE + 24, &[0x0b, 0x02]);
    put(SECTION, b".osrel");
    let length = os_release.len() as u32;
    let padded = length.next_multiple_of(CONTENT as u32);
    for (place, number) in [
        (8, length),
        (12, 0x1000),
        (16, padded),
        (20, CONTENT as u32),
    ] {
        put(SECTION + place, &number.to_le_bytes());
    }
    file.extend(os_release.as_bytes());
    file.resize(CONTENT + padded as usize, 0);
    file
}
