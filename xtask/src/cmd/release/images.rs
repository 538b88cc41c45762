//! The images that Nix builds for a release.

use std::path::Path;

use anyhow::Result;

use crate::error::usage;
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
    let instead = "or name ready images with --image NAME=FILE";
    let nix = Nix::find(root, None).map_err(|_| {
        usage(format!(
            "there is no nix on the PATH to build the images: install Nix (https://nixos.org/download), {instead}"
        ))
    })?;
    let obstacle = match nix.nixpkgs_unreachable()? {
        Some(unreachable) => Some(unreachable),
        None => BUILT
            .iter()
            .find_map(|(_, attribute)| nix.realisable(attribute).transpose())
            .transpose()?,
    };
    match obstacle {
        None => Ok(nix),
        Some(reason) => Err(usage(format!(
            "Nix cannot build the images here: {}; make it reachable, {instead}",
            reason.0
        ))),
    }
}
