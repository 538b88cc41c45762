//! The real thing: the image that users flash, built by Nix, booted through UEFI.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use vm::Boot;

use super::{Guest, GuestKind};
use crate::error::usage;
use crate::nix::{self, Changed, Nix, Unrealisable};
use crate::packages::{Need, need};

/// The flake's attribute for the image.
const IMAGE: &str = "packages.x86_64-linux.raw";
/// What it needs on the host, beyond [`super::needs`].
pub const NEEDS: &[Need] = &[need("/usr/share/OVMF", "ovmf")];
/// NixOS, Docker and a root in memory.
const MEMORY_MIB: u32 = 3072;

/// UEFI's code and variables: from `$OLLAMALIVE_OVMF` (a folder), or where distributions put them.
pub fn firmware() -> Option<(PathBuf, PathBuf)> {
    let named = std::env::var_os("OLLAMALIVE_OVMF").map(PathBuf::from);
    vm::firmware::find(named.as_deref())
}

/// Whether the image can be had here at all.
pub fn realisable(nix: &Nix) -> Result<Option<Unrealisable>> {
    nix.realisable(IMAGE)
}

/// Builds the image.
///
/// # Errors
/// No firmware, or Nix cannot build it; Nix's own message.
pub fn prepare(nix: &Nix) -> Result<Guest> {
    guest(&origin(nix), || nix.build(IMAGE))
}

/// An image that was built elsewhere: the file, or the folder that holds it.
///
/// # Errors
/// No firmware, or no image there.
pub fn ready(image: &Path) -> Result<Guest> {
    guest("built elsewhere", || Ok(image.to_path_buf()))
}

/// Builds the image with changes in its configuration (see [`Nix::changed`]). Returns it with its contract.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_changed(nix: &Nix, modules: &[&str]) -> Result<(Guest, Value)> {
    let Changed { contract, image } = nix.changed(modules)?;
    let guest = guest(&origin(nix), || nix.build_derivation(&image))?;
    Ok((guest, contract))
}

/// What goes between the braces of a module that gives the image another version.
pub fn version_module(version: &str) -> String {
    format!("ollamalive.image.version = lib.mkForce \"{version}\";")
}

fn origin(nix: &Nix) -> String {
    format!("NixOS from {}", nix.nixpkgs())
}

fn guest(origin: &str, build: impl FnOnce() -> Result<PathBuf>) -> Result<Guest> {
    let (code, vars) = firmware().ok_or_else(|| {
        usage("no UEFI firmware for the machine: `cargo xtask setup --yes` installs OVMF, or name its folder in OLLAMALIVE_OVMF")
    })?;
    let image = nix::image_in(&build()?)?;
    Ok(Guest {
        kind: GuestKind::Nixos,
        boot: Boot::Uefi {
            code,
            vars,
            extra_kernel_args: None,
        },
        image,
        newer: None,
        configuration: None,
        memory: MEMORY_MIB,
        description: format!("nixos: the image that users flash, {origin}"),
    })
}
