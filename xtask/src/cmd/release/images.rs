//! The images that Nix builds for a release.

use std::path::Path;

use anyhow::Result;

use crate::nix::Nix;

/// The images that users download, by name, and the flake's attributes.
pub const BUILT: &[(&str, &str)] = &[
    ("iso", "packages.x86_64-linux.iso"),
    ("raw", "packages.x86_64-linux.raw"),
];

/// Nix, if it can build every image here.
///
/// # Errors
/// Nix is missing, or cannot build one of the images.
pub fn builder(root: &Path) -> Result<Nix> {
    let attributes = BUILT.iter().map(|(_, attribute)| *attribute);
    Nix::builder(
        root,
        attributes,
        "the images",
        "or name ready images with --image NAME=FILE",
    )
}
