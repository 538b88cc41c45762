//! Digests of the sources that the configuration is evaluated from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use stick::digest::sha256_hex;

use crate::variant;

/// The sources of the configuration, relative to the project's top folder.
const SOURCES: &[&str] = &[
    "flake.lock",
    "flake.nix",
    "configuration.nix",
    "modules",
    "tests/contract.nix",
    "tests/contract",
];

/// The SHA-256 of every source, by its path relative to the project's top folder.
///
/// # Errors
/// A source is missing or cannot be read.
pub fn sources(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&root.join(source), &mut files)?;
    }
    let variants = root.join(variant::FOLDER);
    if variants.exists() {
        collect(&variants, &mut files)?;
    }
    files
        .into_iter()
        .map(|path| {
            let bytes =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            Ok((name, sha256_hex(&bytes)))
        })
        .collect()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

/// The sources that differ between two sets of digests: changed, new or missing.
pub fn differences(
    recorded: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut names: Vec<String> = recorded
        .keys()
        .chain(now.keys())
        .filter(|name| recorded.get(*name) != now.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_new_and_missing_sources_are_named() {
        let set = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(a, b)| (a.to_string(), b.to_string()))
                .collect()
        };
        let recorded: BTreeMap<_, _> = set(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let now: BTreeMap<_, _> = set(&[("a", "1"), ("b", "9"), ("d", "4")]);
        assert_eq!(differences(&recorded, &now), ["b", "c", "d"]);
        assert!(differences(&now, &now).is_empty());
    }
}
