//! `manifest.json`: the content of a release, for programs.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use stick::digest::FileDigest;
pub use stick::split::Asset;
use stick::update::{Update, malformed};

use super::MANIFEST;
use super::image::ImageKind;
use crate::error::usage;
use crate::outcome::Verdict;

/// Changes when a field changes its meaning or is removed.
pub const FORMAT: u32 = 1;

/// A whole release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`FORMAT`]
    pub format: u32,
    /// `v1.2.0` or `build-7`; without a tag `g` and the start of the commit.
    pub version: String,
    /// The commit that it was made from, in full.
    pub commit: String,
    /// The fingerprint of the key that the sums are signed with; None where they are not.
    pub signed_by: Option<String>,
    #[serde(flatten)]
    pub system: SystemInfo,
    pub images: Vec<PackedImage>,
    /// What machines update themselves with, of the image `raw`; None for layout 1, and in older releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// The test runs that this commit passed.
    pub tests: Vec<TestRun>,
}

/// The system in the images, as far as it is known where they were packed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemInfo {
    /// The commit of nixpkgs in flake.lock.
    pub nixpkgs: String,
    /// NixOS's version, such as `26.05.20260710.8f0500b`.
    pub nixos: Option<String>,
    /// The version of the stick's layout.
    pub layout_version: Option<u64>,
    /// Size of the system in the Nix store, uncompressed.
    pub closure_bytes: Option<u64>,
    /// File name of the list of packages (SBOM), SPDX in JSON; None where sbomnix could not be run.
    pub sbom: Option<String>,
}

/// An image, compressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedImage {
    /// `raw`, `iso`, …
    pub name: String,
    pub kind: ImageKind,
    /// Its name once it is decompressed.
    pub file: String,
    /// Of the image itself.
    #[serde(flatten)]
    pub digest: FileDigest,
    /// zstd's level.
    pub level: i32,
    /// The compressed image: one file, or several to be joined in this order.
    pub assets: Vec<Asset>,
}

/// A test run, without its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestRun {
    /// `nixos` or `standin`
    pub guest: String,
    /// `kvm` or `tcg`
    pub accelerator: String,
    /// The nixpkgs that it was evaluated with.
    pub nixpkgs: String,
    pub verdict: Verdict,
    pub promises: Vec<TestedPromise>,
}

/// A promise and its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestedPromise {
    pub id: String,
    pub promise: String,
    pub verdict: Verdict,
}

impl Manifest {
    /// The files that are made from images: packed ones, and those of the update.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        let packed = self.images.iter().flat_map(|image| &image.assets);
        packed.chain(self.update.iter().flat_map(|update| &update.files))
    }
}

impl PackedImage {
    /// Bytes of its assets together.
    pub fn packed_bytes(&self) -> u64 {
        self.assets.iter().map(|asset| asset.digest.bytes).sum()
    }

    /// The name of the file that its parts make when they are joined; None where it is in one piece.
    pub fn joined(&self) -> Option<&str> {
        stick::manifest::joined(&self.assets)
    }
}

/// The manifest in `folder`.
///
/// # Errors
/// It cannot be read, or is of another form.
pub fn read(folder: &Path) -> Result<Manifest> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
    let manifest: Manifest = serde_json::from_str(&text).map_err(|error| {
        usage(format!(
            "{} is not the manifest of a release: {error}: download it again",
            path.display()
        ))
    })?;
    if manifest.format != FORMAT {
        return Err(usage(format!(
            "{} has format {}, this program reads {FORMAT}: use the program of that release",
            path.display(),
            manifest.format
        )));
    }
    if let Some(why) = manifest.update.as_ref().and_then(malformed) {
        return Err(usage(format!(
            "{} has an update of another form: {why}: download it again",
            path.display()
        )));
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_from_before_signatures_and_updates_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{ "format": 1, "version": "v1", "commit": "abc", "nixpkgs": "def", "images": [], "tests": [] }"#;
        std::fs::write(folder.path().join(MANIFEST), text).unwrap();
        let manifest = read(folder.path()).unwrap();
        assert_eq!(manifest.signed_by, None);
        assert_eq!(manifest.update, None);
        assert_eq!(manifest.system.nixpkgs, "def");
    }
}
