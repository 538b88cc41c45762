//! The records of variants: only what differs from the record of the default configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Comparison, SOURCES, accept, compare_beside};

/// The folder in the record that holds them.
pub(super) const VARIANTS: &str = "variants";
/// The content of a file that the default configuration has and the variant has not.
pub(super) const ABSENT: &str = "not in this variant\n";

/// The folder of a variant's record, in that of the default's.
pub fn folder(record: &Path, name: &str) -> PathBuf {
    record.join(VARIANTS).join(name)
}

/// What differs in `variant` from `default`, both as [`render`](super::render) gives them.
pub fn difference(
    default: &BTreeMap<String, String>,
    variant: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let absent = default
        .keys()
        .filter(|name| !variant.contains_key(*name))
        .map(|name| (name.clone(), ABSENT.to_string()));
    variant
        .iter()
        .filter(|(name, text)| *name != SOURCES && default.get(*name) != Some(text))
        .map(|(name, text)| (name.clone(), text.clone()))
        .chain(absent)
        .collect()
}

/// Compares the `difference` of the variant `name` with its record. The texts are skipped where those of the `default`
/// comparison were.
///
/// # Errors
/// There is no record of the variant, or a file of it cannot be read.
pub fn compare(
    record: &Path,
    name: &str,
    difference: &BTreeMap<String, String>,
    default: &Comparison,
) -> Result<Comparison> {
    compare_beside(
        &folder(record, name),
        difference,
        default.texts_skipped.clone(),
    )
}

/// Records the `differences` by variant, and removes the records of variants that are gone.
///
/// # Errors
/// A file cannot be written or removed.
pub fn accept_all(
    record: &Path,
    differences: &BTreeMap<String, BTreeMap<String, String>>,
) -> Result<()> {
    for (name, difference) in differences {
        accept(&folder(record, name), difference)?;
    }
    for name in recorded(record)? {
        if !differences.contains_key(&name) {
            let gone = folder(record, &name);
            fs::remove_dir_all(&gone)
                .with_context(|| format!("cannot remove {}", gone.display()))?;
        }
    }
    Ok(())
}

/// The names of the recorded variants, sorted.
///
/// # Errors
/// The folder cannot be read.
pub fn recorded(record: &Path) -> Result<Vec<String>> {
    let folder = record.join(VARIANTS);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshots(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect()
    }

    #[test]
    fn only_what_differs_is_recorded() {
        let default = snapshots(&[("a", "1\n"), ("b", "2\n"), ("c", "3\n"), (SOURCES, "x\n")]);
        let variant = snapshots(&[("a", "1\n"), ("b", "9\n"), ("d", "4\n"), (SOURCES, "y\n")]);
        let difference = difference(&default, &variant);
        assert_eq!(
            difference,
            snapshots(&[("b", "9\n"), ("c", ABSENT), ("d", "4\n")])
        );
        assert!(super::difference(&default, &default).is_empty());
    }

    #[test]
    fn a_record_of_a_variant_that_is_gone_is_removed() {
        let record = tempfile::tempdir().unwrap();
        let one = snapshots(&[("b", "9\n")]);
        let both = [
            ("x".to_string(), one.clone()),
            ("y".to_string(), one.clone()),
        ];
        accept_all(record.path(), &both.into()).unwrap();
        assert_eq!(recorded(record.path()).unwrap(), ["x", "y"]);
        let same = compare(record.path(), "y", &one, &Comparison::default()).unwrap();
        assert!(same.different.is_empty());
        let empty = snapshots(&[]);
        let gone = compare(record.path(), "y", &empty, &Comparison::default()).unwrap();
        assert_eq!(gone.different.len(), 1);
        accept_all(record.path(), &[("x".to_string(), one.clone())].into()).unwrap();
        assert_eq!(recorded(record.path()).unwrap(), ["x"]);
        let error = compare(record.path(), "y", &one, &Comparison::default()).unwrap_err();
        assert!(error.to_string().contains("no record in"), "{error}");
    }
}
