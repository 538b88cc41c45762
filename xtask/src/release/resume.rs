//! Resuming: the files that an interrupted release has finished are not made again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stick::archive::PackOptions;
use stick::update::{Update, malformed};
use stick::{digest, partial::place, split};

use super::CtrlC;
use super::image::ReleaseImage;
use super::manifest::{Asset, PackedImage};
use super::signature::SIGNATURE;

/// What is known of a signature that was made before.
const SIGNED: &str = ".SHA256SUMS.signed.json";

/// The source of an asset. The times are nanoseconds since 1970.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct PackSource {
    path: PathBuf,
    bytes: u64,
    modified: i128,
    /// Every file in a Nix store has the same modification time; this one differs.
    changed: i128,
    level: i32,
    limit: u64,
}

impl PackSource {
    fn of(image: &ReleaseImage, options: PackOptions) -> Result<Self> {
        let file = fs::metadata(&image.path)?;
        let nanoseconds =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Ok(PackSource {
            path: image.path.clone(),
            bytes: file.len(),
            modified: nanoseconds(file.mtime(), file.mtime_nsec()),
            changed: nanoseconds(file.ctime(), file.ctime_nsec()),
            level: options.level,
            limit: options.limit,
        })
    }
}

/// The fragment of the manifest that is kept beside assets.
#[derive(Serialize, Deserialize)]
struct Finished<T> {
    source: PackSource,
    made: T,
}

impl<T: Serialize + DeserializeOwned> Finished<T> {
    /// None without a fragment; one of another format is ignored.
    fn read(folder: &Path, name: &str) -> Option<Self> {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn write(&self, folder: &Path, name: &str) -> Result<()> {
        place(folder, name, serde_json::to_string(self)?)
    }
}

fn fragment(image: &ReleaseImage) -> String {
    format!(".{}.made.json", image.name)
}

fn update_fragment(image: &ReleaseImage) -> String {
    format!(".{}.update.json", image.name)
}

/// Whether all `assets` are in `folder`, as they were made.
fn intact(assets: &[Asset], folder: &Path) -> Result<bool> {
    for asset in assets {
        let path = folder.join(&asset.file);
        let length = fs::metadata(&path).map_or(0, |file| file.len());
        if length != asset.digest.bytes || digest::of_file(&path, &CtrlC)? != asset.digest {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The assets that `image` was packed into before, if nothing has changed: the image by its length and times, the assets
/// by their digests.
pub fn find(
    image: &ReleaseImage,
    file: &str,
    folder: &Path,
    options: PackOptions,
) -> Result<Option<PackedImage>> {
    let Some(finished) = Finished::<PackedImage>::read(folder, &fragment(image)) else {
        return Ok(None);
    };
    let packed = finished.made;
    let same = finished.source == PackSource::of(image, options)? && packed.file == file;
    Ok((same && intact(&packed.assets, folder)?).then_some(packed))
}

/// The update files of `image` that were made before, if nothing has changed.
pub fn find_update(
    image: &ReleaseImage,
    folder: &Path,
    options: PackOptions,
) -> Result<Option<Update>> {
    let Some(finished) = Finished::<Update>::read(folder, &update_fragment(image)) else {
        return Ok(None);
    };
    let same = finished.source == PackSource::of(image, options)?;
    Ok((same && intact(&finished.made.files, folder)?).then_some(finished.made))
}

/// Removes the update files that were made of `image` before. They may have other names than the new ones.
pub fn forget_update(image: &ReleaseImage, folder: &Path) -> Result<()> {
    let fragment = update_fragment(image);
    let Some(finished) = Finished::<Update>::read(folder, &fragment) else {
        return Ok(());
    };
    if malformed(&finished.made).is_none() {
        for asset in &finished.made.files {
            split::remove(folder, &asset.file)?;
        }
    }
    let _ = fs::remove_file(folder.join(&fragment));
    Ok(())
}

/// Remembers the update files of `image`, once they have their names.
pub fn remember_update(
    image: &ReleaseImage,
    update: &Update,
    folder: &Path,
    options: PackOptions,
) -> Result<()> {
    let finished = Finished {
        source: PackSource::of(image, options)?,
        made: update.clone(),
    };
    finished.write(folder, &update_fragment(image))
}

/// Forgets the assets of `image`, before new ones take their place.
pub fn forget(image: &ReleaseImage, file: &str, folder: &Path) -> Result<()> {
    let _ = fs::remove_file(folder.join(fragment(image)));
    split::remove(folder, &format!("{file}.zst"))
}

/// Remembers the assets of `image`, once they have their names.
pub fn remember(
    image: &ReleaseImage,
    packed: &PackedImage,
    folder: &Path,
    options: PackOptions,
) -> Result<()> {
    let finished = Finished {
        source: PackSource::of(image, options)?,
        made: packed.clone(),
    };
    finished.write(folder, &fragment(image))
}

/// A signature that was made before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedSums {
    /// The fingerprint of the key.
    pub key: String,
    /// SHA-256 of the sums that it signs.
    sums: String,
    /// SHA-256 of the signature.
    signature: String,
}

impl SignedSums {
    fn of(key: &str, sums: &str, signature: &[u8]) -> Self {
        SignedSums {
            key: key.to_string(),
            sums: digest::sha256_hex(sums.as_bytes()),
            signature: digest::sha256_hex(signature),
        }
    }

    /// Whether it signs the sums `sums`.
    pub fn fits(&self, sums: &str) -> bool {
        self.sums == digest::sha256_hex(sums.as_bytes())
    }
}

/// The signature in `folder`, if it was made here and has not changed since.
pub fn signed(folder: &Path) -> Option<SignedSums> {
    let text = fs::read_to_string(folder.join(SIGNED)).ok()?;
    let signed: SignedSums = serde_json::from_str(&text).ok()?;
    let signature = fs::read(folder.join(SIGNATURE)).ok()?;
    (digest::sha256_hex(&signature) == signed.signature).then_some(signed)
}

/// Writes the `signature` of `sums` by `key`, and remembers it.
pub fn place_signature(folder: &Path, key: &str, sums: &str, signature: &[u8]) -> Result<()> {
    let signed = SignedSums::of(key, sums, signature);
    place(folder, SIGNATURE, signature)?;
    place(folder, SIGNED, serde_json::to_string(&signed)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unchanged_signature_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        assert_eq!(signed(at), None);
        place_signature(at, "AB", "sums\n", b"signature").unwrap();
        let before = signed(at).unwrap();
        assert_eq!(before.key, "AB");
        assert!(before.fits("sums\n") && !before.fits("other sums\n"));
        fs::write(at.join(SIGNATURE), "another").unwrap();
        assert_eq!(signed(at), None);
        fs::remove_file(at.join(SIGNATURE)).unwrap();
        assert_eq!(signed(at), None);
    }
}
