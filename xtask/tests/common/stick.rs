//! Small images with the partitions of a stick.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use stick::esp;
use stick::gpt::partition_types::{BASIC, LINUX_FS};
use stick::gpt::{self, Extent, NewPartition};
pub use stick::units::MIB;

pub const ESP: Extent = Extent {
    offset: MIB,
    length: 8 * MIB,
};
pub const STORE: u64 = 9 * MIB;

/// Where PERSIST begins behind a STORE of `slot` MiB, and how long an image is.
pub fn persist(slot: u64) -> u64 {
    STORE + (slot + 1) * MIB
}

/// A raw image whose STORE has `slot` MiB, with a file system of `used` MiB full of noise.
pub fn image(folder: &Path, name: &str, slot: u64, used: u64) -> PathBuf {
    let path = folder.join(name);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    file.set_len(persist(slot)).unwrap();
    let new = |name, offset, length, kind| NewPartition {
        name,
        extent: Extent { offset, length },
        kind,
    };
    let parts = [
        new("ESP", ESP.offset, ESP.length, BASIC),
        new("STORE", STORE, slot * MIB, LINUX_FS),
        new("PERSIST", persist(slot), 16 * MIB, LINUX_FS),
    ];
    gpt::create(&mut file, None, &parts).unwrap();
    esp::format(file.try_clone().unwrap(), ESP).unwrap();

    let mut store = noise(used * MIB);
    // An erofs superblock: the size of a block (2^12 bytes), and their number.
    store[1024..1152].fill(0);
    store[1024..1028].copy_from_slice(&0xe0f5_e1e2u32.to_le_bytes());
    store[1024 + 12] = 12;
    let blocks = u32::try_from(used * MIB / 4096).unwrap();
    store[1024 + 36..1024 + 40].copy_from_slice(&blocks.to_le_bytes());
    file.write_all_at(&store, STORE).unwrap();
    path
}

/// The image, compressed, with a checksum at the end of the frame as the zstd program writes it.
pub fn compress(image: &Path) -> PathBuf {
    let path = PathBuf::from(format!("{}.zst", image.display()));
    let mut encoder = zstd::Encoder::new(File::create(&path).unwrap(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::copy(&mut File::open(image).unwrap(), &mut encoder).unwrap();
    encoder.finish().unwrap();
    path
}

/// A file in place of a stick, full of noise.
pub fn used_stick(folder: &Path, length: u64) -> PathBuf {
    let path = folder.join("stick");
    fs::write(&path, noise(length)).unwrap();
    path
}

pub fn noise(length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let source = File::open("/dev/urandom").unwrap();
    source.take(length).read_to_end(&mut bytes).unwrap();
    bytes
}
