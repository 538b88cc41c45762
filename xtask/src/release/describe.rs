//! The system in the images: from flake.lock and the record or, where Nix built the images, from Nix.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::DateTime;
use serde_json::Value;

use super::manifest::SystemInfo;
use crate::error::usage;
use crate::nix::Nix;
use crate::snapshot;

/// The system's version, and the system in the stick's image (nixpkgs, nixos/modules/image/images.nix).
const VERSION: &str = "nixosConfigurations.OllamaLive.config.system.nixos.version";
const TOPLEVEL: &str = "packages.x86_64-linux.raw.passthru.config.system.build.toplevel";
/// How many characters of a commit are in NixOS's version (Nix, `shortRev`).
const SHORT: usize = 7;

/// The facts that are known without Nix.
///
/// # Errors
/// There is no flake.lock, or it names no commit of nixpkgs.
pub fn from_sources(root: &Path) -> Result<SystemInfo> {
    let path = root.join("flake.lock");
    let broken = |why: String| usage(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| broken(error.to_string()))?;
    let lock: Value = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
    let input = &lock["nodes"]["root"]["inputs"]["nixpkgs"];
    let node = &lock["nodes"][input.as_str().unwrap_or("nixpkgs")];
    let Some(commit) = node["locked"]["rev"].as_str() else {
        return Err(broken("names no commit of nixpkgs".into()));
    };
    Ok(SystemInfo {
        nixpkgs: commit.to_string(),
        nixos: nixos(node),
        layout_version: recorded_layout(root),
        ..SystemInfo::default()
    })
}

/// NixOS's version as nixpkgs' flake makes it: release, date and commit. None unless the branch names a release.
fn nixos(node: &Value) -> Option<String> {
    let release = node["original"]["ref"].as_str()?.strip_prefix("nixos-")?;
    if !release.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let date = DateTime::from_timestamp(node["locked"]["lastModified"].as_i64()?, 0)?;
    let commit = node["locked"]["rev"].as_str()?.get(..SHORT)?;
    Some(format!("{release}.{}.{commit}", date.format("%Y%m%d")))
}

/// The layout's version in the record, if the record is of these sources.
fn recorded_layout(root: &Path) -> Option<u64> {
    let record = snapshot::folder(root);
    snapshot::require_fresh(&record, root).ok()?;
    layout(&snapshot::load_json(&record).ok()?)
}

fn layout(contract: &Value) -> Option<u64> {
    contract["image"]["layoutVersion"].as_u64()
}

/// What Nix adds, on the machine that built the images; and the system's path in the store.
///
/// # Errors
/// Nix's own message.
pub fn with_nix(root: &Path, nix: &Nix) -> Result<(SystemInfo, PathBuf)> {
    let toplevel = nix.build(TOPLEVEL)?;
    let closure = nix.closure(&toplevel)?;
    let system = SystemInfo {
        nixos: Some(nix.text(VERSION)?),
        layout_version: layout(&nix.contract()?),
        closure_bytes: Some(closure.values().sum()),
        ..from_sources(root)?
    };
    Ok((system, toplevel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_version_is_that_of_nixos() {
        let node = |branch: &str| {
            json!({
                "original": { "ref": branch },
                "locked": { "rev": "8f0500b9660505dc3cb647775fe9a978a74b5283", "lastModified": 1_783_703_440 },
            })
        };
        assert_eq!(
            nixos(&node("nixos-26.05")).unwrap(),
            "26.05.20260710.8f0500b"
        );
        assert_eq!(nixos(&node("nixos-unstable")), None);
    }

    #[test]
    fn a_lock_without_nixpkgs_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("flake.lock"), "{}").unwrap();
        let error = from_sources(folder.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("flake.lock: names no commit of nixpkgs"),
            "{error}"
        );
    }
}
