//! Reading the record's files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Map, Value};

use super::variants::{ABSENT, VARIANTS};
use super::{ACCEPT, PLAIN, SOURCES};
use crate::contract::Contract;
use crate::digest;
use crate::error::usage;

pub(super) fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.snap"))
}

/// The names of the recorded snapshots, sorted.
///
/// # Errors
/// There is no record in `folder`.
pub fn recorded(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    collect(folder, "", &mut names).map_err(|error| {
        usage(format!(
            "no record in {}: {error}; `{ACCEPT}` makes one",
            folder.display()
        ))
    })?;
    names.sort();
    Ok(names)
}

fn collect(folder: &Path, prefix: &str, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if prefix.is_empty() && name == VARIANTS {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), names)?;
        } else if let Some(name) = name.strip_suffix(".snap") {
            names.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

/// The content of a snapshot file: everything after insta's header.
pub(super) fn text(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path)
        .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
    match text.splitn(3, "---\n").nth(2) {
        Some(body) => Ok(body.to_string()),
        None => Ok(text),
    }
}

fn json(path: &Path) -> Result<Value> {
    parsed(&text(path)?, path)
}

/// The JSON in the snapshot `path`, whose content is `text`.
fn parsed(text: &str, path: &Path) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        usage(format!(
            "{} is not a snapshot with JSON inside ({error}); `{ACCEPT}` records it anew",
            path.display()
        ))
    })
}

/// The recorded contract.
///
/// # Errors
/// A file is missing, is not JSON, or does not have the contract's shape; each is named.
pub fn load(folder: &Path) -> Result<Contract> {
    typed(load_json(folder)?, folder)
}

/// `value` as the contract that is recorded in `folder`.
fn typed(value: Value, folder: &Path) -> Result<Contract> {
    serde_json::from_value(value).map_err(|error| {
        usage(format!(
            "the record in {} is not a configuration ({error}); `{ACCEPT}` records it anew",
            folder.display()
        ))
    })
}

/// The recorded contract as an object with a field a concern.
///
/// # Errors
/// A file is missing or is not JSON; it is named.
pub fn load_json(folder: &Path) -> Result<Value> {
    let name = |name: String| (name.clone(), file(folder, &name));
    assemble(recorded(folder)?.into_iter().map(name))
}

/// The recorded contract of a variant: the files in `own`, and those in `folder` for all that it has in common with the
/// default.
///
/// # Errors
/// As [`load`].
pub fn load_variant(folder: &Path, own: &Path) -> Result<Contract> {
    typed(load_variant_json(folder, own)?, own)
}

/// As [`load_variant`], as an object with a field a concern.
///
/// # Errors
/// As [`load`].
pub fn load_variant_json(folder: &Path, own: &Path) -> Result<Value> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for from in [folder, own] {
        for name in recorded(from)? {
            files.insert(name.clone(), file(from, &name));
        }
    }
    assemble(files.into_iter())
}

/// The contract in `files`, each with the name of its snapshot.
fn assemble(files: impl Iterator<Item = (String, PathBuf)>) -> Result<Value> {
    let mut whole = Map::new();
    for (name, path) in files {
        let concern = name.split('/').next().unwrap_or(&name);
        if name == SOURCES {
            continue;
        }
        let text = text(&path)?;
        if text == ABSENT {
            continue;
        } else if PLAIN.contains(&concern) {
            insert(&mut whole, &name, Value::String(text));
        } else {
            whole.insert(name, parsed(&text, &path)?);
        }
    }
    Ok(Value::Object(whole))
}

/// Puts `value` into the object that the folders of `name` lead to.
fn insert(fields: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('/') {
        None => {
            fields.insert(name.to_string(), value);
        }
        Some((folder, rest)) => {
            let inner = fields
                .entry(folder)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Makes sure that the record was made from the sources as they are now.
///
/// # Errors
/// Names the files that have changed since, and the command that records them anew.
pub fn require_fresh(folder: &Path, root: &Path) -> Result<()> {
    let path = file(folder, SOURCES);
    let recorded: BTreeMap<String, String> = serde_json::from_value(json(&path)?)
        .map_err(|error| usage(format!("{} holds no digests: {error}", path.display())))?;
    let changed = digest::differences(&recorded, &digest::sources(root)?);
    if changed.is_empty() {
        return Ok(());
    }
    Err(usage(format!(
        "the record of the configuration is stale, changed since: {}; `{ACCEPT}` records it anew (needs Nix)",
        changed.join(", ")
    )))
}
