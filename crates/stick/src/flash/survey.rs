//! One pass over the whole image before anything is written: it is sound, and this much of it counts.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use anyhow::{Error, Result};
use sha2::{Digest, Sha256};

use super::checksum::{self, Expected};
use super::chunks::{self, Kind};
use super::image::Image;
use super::layout::{Layout, erofs_bytes};
use super::progress::Progress;

/// What is known of an image that was read to its end.
#[derive(Debug)]
pub struct Survey {
    pub layout: Layout,
    /// Bytes of the image.
    pub length: u64,
    /// Bytes that have to be written.
    pub used: u64,
    /// The rest of STORE behind its file system, which nothing ever reads.
    pub unread: Range<u64>,
    /// The checksums that it was found to have.
    pub checked: Vec<Expected>,
}

/// Reads all of `image`, whose partitions are those of `layout`.
///
/// # Errors
/// It is damaged, cut off, too long, or has another checksum than a file beside it says.
pub fn survey(image: &Image, layout: Layout) -> Result<Survey> {
    let expected = checksum::beside(&image.path)?;
    let digest = (!expected.is_empty()).then(|| Arc::new(Mutex::new(Sha256::new())));
    let length = layout.persist.offset;
    let mut progress = Progress::new("checking the image", length);
    let (mut end, mut used, mut unread) = (0, 0, 0..0);
    let read = chunks::each(image.reader(digest.clone())?, |chunk| {
        end = chunk.end();
        if end > length {
            return Err(wrong_length(image, length, "goes on behind the place"));
        }
        let store = layout.store.offset..(layout.store.offset + 4096);
        if let Some(bytes) = chunk.get(store).and_then(erofs_bytes)
            && bytes < layout.store.length
        {
            unread = layout.store.offset + bytes..layout.store.offset + layout.store.length;
        }
        let runs = chunks::runs(chunk, &unread, &[]);
        let data = runs.iter().filter(|run| run.kind == Kind::Data);
        used += data.map(|run| run.data.len() as u64).sum::<u64>();
        progress.add(chunk.data().len() as u64);
        Ok(())
    });
    read.map_err(|error| match error.downcast_ref() {
        Some(error) => image.corrupt(error),
        None => error,
    })?;
    if end < length {
        return Err(wrong_length(
            image,
            length,
            "is cut off: it ends before the place",
        ));
    }
    if let Some(digest) = digest {
        let digest = digest
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let digest = digest.clone().finalize();
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        compare(image, &expected, &digest)?;
    }
    image.check_unchanged()?;
    progress.done("checked");
    Ok(Survey {
        layout,
        length,
        used,
        unread,
        checked: expected,
    })
}

fn wrong_length(image: &Image, length: u64, how: &str) -> anyhow::Error {
    Error::msg(format!(
        "{} {how} where PERSIST begins ({length} bytes): download it again",
        image.path.display()
    ))
}

fn compare(image: &Image, expected: &[Expected], digest: &str) -> Result<()> {
    match expected.iter().find(|expected| expected.digest != digest) {
        Some(other) => Err(Error::msg(format!(
            "{} has the SHA-256 {digest}, but {} says {}: download both again",
            image.path.display(),
            other.said_by.display(),
            other.digest
        ))),
        None => Ok(()),
    }
}
