//! `manifest.json` of a release, as far as flashing needs it: the digest of the image itself, which stays the same however the
//! image is packed.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::split::{self, Asset};
use crate::sums;

/// The name of the file.
pub const MANIFEST: &str = "manifest.json";

#[derive(Deserialize)]
struct Manifest {
    images: Vec<PackedImage>,
}

#[derive(Deserialize)]
struct PackedImage {
    file: String,
    sha256: String,
    assets: Vec<Asset>,
}

/// The digest, in lower-case hex, that the manifest beside `file` gives for the image in it. Only where no list of checksums has
/// that file: it is the unpacked image, or its parts joined. Other programs have files of this name too: they say nothing.
pub fn digest_beside(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let text = fs::read_to_string(file.with_file_name(MANIFEST)).ok()?;
    let manifest: Manifest = serde_json::from_str(&text).ok()?;
    let image = manifest
        .images
        .iter()
        .find(|image| image.file == name || joined(&image.assets) == Some(name))?;
    sums::digest(&image.sha256)
}

/// The name of the file that `assets` make when they are joined; None where there is nothing to join.
pub fn joined(assets: &[Asset]) -> Option<&str> {
    match assets {
        [first, _, ..] => split::whole(&first.file).map(|(name, _)| name),
        _ => None,
    }
}
