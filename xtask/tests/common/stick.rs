//! Small images with the partitions of a stick.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use stick::gpt::Extent;
use stick::testing::SmallImage;
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

fn parts(layout: u32, slot: u64) -> SmallImage {
    SmallImage {
        layout,
        esp: ESP.length / MIB,
        verity: 1,
        store: slot,
        store_b: 3,
        ..SmallImage::default()
    }
}

/// A raw image whose store has `slot` MiB, with a file system of `used` MiB full of noise.
pub fn image(folder: &Path, name: &str, slot: u64, used: u64) -> PathBuf {
    made(folder, name, &parts(2, slot), used)
}

/// As [`image`], of layout 1: PERSIST begins at its end.
#[allow(dead_code, reason = "not every test has older sticks")]
pub fn layout_1_image(folder: &Path, name: &str, slot: u64, used: u64) -> PathBuf {
    made(folder, name, &parts(1, slot), used)
}

fn made(folder: &Path, name: &str, image: &SmallImage, used: u64) -> PathBuf {
    let path = folder.join(name);
    image.with_store(&path, noise(used * MIB)).unwrap();
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
