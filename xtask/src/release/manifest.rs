//! `manifest.json`: what a release is made of, for programs.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::MANIFEST;
use super::hash::Digest;
use super::image::Kind;
use crate::error::usage;
use crate::outcome::Verdict;

/// Changes when a field gets another meaning or goes away.
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
    #[serde(flatten)]
    pub system: System,
    pub images: Vec<Packed>,
    /// The test runs that this commit passed.
    pub tests: Vec<Run>,
}

/// What the images hold, as far as it is known where they were packed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct System {
    /// The commit of nixpkgs in flake.lock.
    pub nixpkgs: String,
    /// NixOS's version, such as `26.05.20260710.8f0500b`.
    pub nixos: Option<String>,
    /// The version of the stick's layout.
    pub layout_version: Option<u64>,
    /// What the system takes in the Nix store, uncompressed.
    pub closure_bytes: Option<u64>,
    /// The list of packages, in SPDX's JSON.
    pub sbom: Option<String>,
}

/// An image, compressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Packed {
    /// `raw`, `iso`, …
    pub name: String,
    pub kind: Kind,
    /// What it is called once it is decompressed.
    pub file: String,
    /// Of the image itself.
    #[serde(flatten)]
    pub digest: Digest,
    /// zstd's level.
    pub level: i32,
    /// The compressed image: one file, or several to be joined in this order.
    pub assets: Vec<Asset>,
}

/// A file of the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    pub file: String,
    #[serde(flatten)]
    pub digest: Digest,
}

/// A test run, without what was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// `nixos` or `standin`
    pub guest: String,
    /// `kvm` or `tcg`
    pub accelerator: String,
    /// Which nixpkgs it was evaluated with.
    pub nixpkgs: String,
    pub verdict: Verdict,
    pub promises: Vec<Promise>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    pub id: String,
    pub promise: String,
    pub verdict: Verdict,
}

impl Packed {
    /// How long its assets are together.
    pub fn packed_bytes(&self) -> u64 {
        self.assets.iter().map(|asset| asset.digest.bytes).sum()
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
            "{} is no release's manifest: {error}",
            path.display()
        ))
    })?;
    if manifest.format != FORMAT {
        return Err(usage(format!(
            "{} has format {}, this program knows {FORMAT}: take the program of that release",
            path.display(),
            manifest.format
        )));
    }
    Ok(manifest)
}
