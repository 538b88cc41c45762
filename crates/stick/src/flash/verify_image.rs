//! One pass over the whole image before anything is written: is it sound, and how much of it has to be written?

use std::ops::Range;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::chunks::{self, RunKind};
use super::image::{DamagedImage, Hash, StickImage};
use crate::layout::{Layout, erofs_bytes};
use crate::monitor::{Monitor, Pass};
use crate::sums::{self, DigestOf, ExpectedDigest};

/// The facts about an image that was read to its end and found sound.
#[derive(Debug)]
pub struct VerifiedImage {
    pub layout: Layout,
    /// Bytes of the image, decompressed.
    pub length: u64,
    /// Bytes that have to be written.
    pub used: u64,
    /// The rest of the store behind its file system, which is never read.
    pub unread: Range<u64>,
    /// The checksums beside it; it matches all of them.
    pub checked: Vec<ExpectedDigest>,
}

/// Reads all of `image`, whose partitions are those of `layout`.
///
/// # Errors
/// [`DamagedImage`] if it is damaged, cut off, too long, or does not match a checksum beside it; also if it cannot be read,
/// or `monitor` ends the operation.
pub fn verify_image(
    image: &StickImage,
    layout: Layout,
    monitor: &dyn Monitor,
) -> Result<VerifiedImage> {
    let expected = sums::beside(&image.path)?;
    let [of_file, of_content] = [DigestOf::File, DigestOf::Image].map(|of| {
        let wanted = expected.iter().any(|expected| expected.of == of);
        wanted.then(|| Arc::new(Mutex::new(Sha256::new())))
    });
    let length = layout.image_bytes;
    monitor.begin(Pass::CheckImage, length);
    let (mut end, mut used, mut unread) = (0, 0, 0..0);
    let source = image.hashed(of_file.clone(), of_content.clone())?;
    let read = chunks::each(source, monitor, |chunk| {
        end = chunk.end();
        if end > length {
            return Err(wrong_length(
                image,
                &format!("is longer than its partition table says ({length} bytes)"),
            ));
        }
        let store = layout.store.offset..(layout.store.offset + 4096);
        if let Some(bytes) = chunk.get(store).and_then(erofs_bytes)
            && bytes < layout.store.length
        {
            unread = layout.store.offset + bytes..layout.store.offset + layout.store.length;
        }
        let runs = chunks::runs(chunk, &unread, &[]);
        let data = runs.iter().filter(|run| run.kind == RunKind::Data);
        used += data.map(|run| run.data.len() as u64).sum::<u64>();
        monitor.advance(chunk.data().len() as u64);
        Ok(())
    });
    read.map_err(|error| match error.downcast_ref() {
        Some(error) => image.corrupt(error),
        None => error,
    })?;
    if end < length {
        return Err(wrong_length(
            image,
            &format!("is cut off: it has {end} of {length} bytes"),
        ));
    }
    for (of, hash) in [(DigestOf::File, of_file), (DigestOf::Image, of_content)] {
        if let Some(hash) = hash {
            compare(image, &expected, of, &hex(&hash))?;
        }
    }
    image.check_unchanged()?;
    monitor.end(Pass::CheckImage);
    Ok(VerifiedImage {
        layout,
        length,
        used,
        unread,
        checked: expected,
    })
}

fn wrong_length(image: &StickImage, how: &str) -> anyhow::Error {
    DamagedImage(format!("{} {how}; download it again", image.path.display())).into()
}

fn hex(hash: &Hash) -> String {
    let hash = hash.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    hex::encode(hash.clone().finalize())
}

fn compare(
    image: &StickImage,
    expected: &[ExpectedDigest],
    of: DigestOf,
    digest: &str,
) -> Result<()> {
    let differs = |expected: &&ExpectedDigest| expected.of == of && expected.sha256 != digest;
    let has = match of {
        DigestOf::File => "has",
        DigestOf::Image => "holds an image with",
    };
    match expected.iter().find(differs) {
        Some(other) => Err(DamagedImage(format!(
            "{} {has} the SHA-256 {digest}, but {} says {}: download both again",
            image.path.display(),
            other.source.display(),
            other.sha256
        ))
        .into()),
        None => Ok(()),
    }
}
