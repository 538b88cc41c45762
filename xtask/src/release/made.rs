//! What an interrupted release has finished, so that the next run makes only what is missing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::hash;
use super::image::Image;
use super::manifest::Packed;
use super::pack::Manner;
use super::parts::{self, place};

/// What an asset was made from. The times are nanoseconds since 1970.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Source {
    path: PathBuf,
    bytes: u64,
    modified: i128,
    /// Every file in a Nix store was modified at the same time; when it came there tells them apart.
    changed: i128,
    level: i32,
    limit: u64,
}

impl Source {
    fn of(image: &Image, manner: Manner) -> Result<Self> {
        let file = fs::metadata(&image.path)?;
        let nanoseconds =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Ok(Source {
            path: image.path.clone(),
            bytes: file.len(),
            modified: nanoseconds(file.mtime(), file.mtime_nsec()),
            changed: nanoseconds(file.ctime(), file.ctime_nsec()),
            level: manner.level,
            limit: manner.limit,
        })
    }
}

/// The fragment of the manifest that is kept beside an asset.
#[derive(Serialize, Deserialize)]
struct Made {
    source: Source,
    packed: Packed,
}

fn fragment(image: &Image) -> String {
    format!(".{}.made.json", image.name)
}

/// What `image` was packed into before, if it is still what it was: the image by its length and times, the assets by
/// their digests.
pub fn find(image: &Image, file: &str, folder: &Path, manner: Manner) -> Result<Option<Packed>> {
    let Ok(text) = fs::read_to_string(folder.join(fragment(image))) else {
        return Ok(None);
    };
    // One of another form is as good as none.
    let Ok(made) = serde_json::from_str::<Made>(&text) else {
        return Ok(None);
    };
    if made.source != Source::of(image, manner)? || made.packed.file != file {
        return Ok(None);
    }
    for asset in &made.packed.assets {
        let path = folder.join(&asset.file);
        let long = fs::metadata(&path).map_or(0, |file| file.len());
        if long != asset.digest.bytes || hash::file(&path)? != asset.digest {
            return Ok(None);
        }
    }
    Ok(Some(made.packed))
}

/// Before another asset takes its place.
pub fn forget(image: &Image, file: &str, folder: &Path) -> Result<()> {
    let _ = fs::remove_file(folder.join(fragment(image)));
    parts::remove(folder, &format!("{file}.zst"))
}

/// Once the asset has its name.
pub fn remember(image: &Image, packed: &Packed, folder: &Path, manner: Manner) -> Result<()> {
    let made = Made {
        source: Source::of(image, manner)?,
        packed: packed.clone(),
    };
    place(folder, &fragment(image), &serde_json::to_string(&made)?)
}
