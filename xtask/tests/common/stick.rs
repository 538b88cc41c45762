//! Small images with the partitions of a stick.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use stick::esp;
use stick::gpt::partition_types::{BASIC, LINUX_FS};
use stick::gpt::{self, Extent, NewPartition, Type};
use stick::layout;
pub use stick::units::MIB;

pub const ESP: Extent = Extent {
    offset: MIB,
    length: 7 * MIB,
};
pub const STORE: u64 = 9 * MIB;

/// How long an image is whose store has `slot` MiB.
pub fn end(slot: u64) -> u64 {
    STORE + (slot + 1) * MIB
}

/// Where its PERSIST begins: behind a small slot B.
pub fn persist(slot: u64) -> u64 {
    end(slot) + 4 * MIB
}

/// A raw image whose store has `slot` MiB, with a file system of `used` MiB full of noise.
pub fn image(folder: &Path, name: &str, slot: u64, used: u64) -> PathBuf {
    let parts = [
        ("ESP", ESP.offset, ESP.length, BASIC),
        ("verity_1", STORE - MIB, MIB, layout::VERITY),
        ("store_1", STORE, slot * MIB, layout::STORE),
        ("_empty", end(slot), MIB, layout::VERITY),
        ("_empty", end(slot) + MIB, 3 * MIB, layout::STORE),
        ("PERSIST", persist(slot), 16 * MIB, LINUX_FS),
    ];
    image_of(folder, name, &parts, slot, used)
}

/// As [`image`], of layout 1: PERSIST begins at its end.
#[allow(dead_code, reason = "not every test has older sticks")]
pub fn layout_1_image(folder: &Path, name: &str, slot: u64, used: u64) -> PathBuf {
    let parts = [
        ("ESP", ESP.offset, ESP.length, BASIC),
        ("STORE", STORE, slot * MIB, LINUX_FS),
        ("PERSIST", end(slot), 16 * MIB, LINUX_FS),
    ];
    image_of(folder, name, &parts, slot, used)
}

fn image_of(
    folder: &Path,
    name: &str,
    parts: &[(&'static str, u64, u64, Type)],
    slot: u64,
    used: u64,
) -> PathBuf {
    let path = folder.join(name);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    file.set_len(end(slot)).unwrap();
    let new = |(name, offset, length, kind): &(&'static str, u64, u64, Type)| NewPartition {
        name,
        extent: Extent {
            offset: *offset,
            length: *length,
        },
        kind: kind.clone(),
    };
    let parts: Vec<_> = parts.iter().map(new).collect();
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
