//! The record of the evaluated configuration, in insta's file format.
//!
//! - `NAME.snap`: the values of one concern as JSON, the same on every supported release of NixOS.
//! - `scripts/` and `sshd_config.snap`: plain text with the same property.
//! - `texts/`: plain text that NixOS renders, compared only on the release that it was recorded on.
//! - `variants/NAME/`: the same files for a variant, only those that differ from the default's.
//! - `sources.snap`: the digests of the evaluated files, so that a stale record is never tested.
//!
//! Store hashes and versions are left out. `tests/record.rs` compares the record with insta's own macro. A program cannot
//! use that macro: it panics at a difference and takes its settings from the environment. The commands therefore read and
//! write the same files here, and show differences with `similar`, the crate that insta uses.

mod files;
#[cfg(test)]
mod tests;
pub mod variants;

pub use files::{load, load_json, load_variant, load_variant_json, recorded, require_fresh};

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::{Captures, Regex};
use serde_json::Value;
use similar::TextDiff;

use self::files::{file, text};

use crate::digest;
use crate::error::usage;

/// The snapshot that holds the digests.
const SOURCES: &str = "sources";
/// Concerns that are text, or text by name: recorded as they are, one file a text.
const PLAIN: &[&str] = &["scripts", "sshd_config", TEXTS];
/// The concern that belongs to one release of NixOS.
const TEXTS: &str = "texts";
const RELEASE: &str = "texts/release";
/// insta's header. It names the file that the record comes from.
const HEADER: &str = "---\nsource: tests/contract.nix\n---\n";
/// The command that records the configuration anew.
pub const ACCEPT: &str = "cargo xtask snapshot --accept";

/// The folder of the record.
pub fn folder(root: &Path) -> PathBuf {
    root.join("tests/snapshots")
}

static STORE_PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"/nix/store/[0-9a-z]{32}-([^/\s"']+)"#).expect("the pattern is fixed")
});
static VERSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"-\d[^/]*$").expect("the pattern is fixed"));

/// `value` with `/nix/store/name` for every store path.
fn redact(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let name = |found: &Captures| format!("/nix/store/{}", VERSION.replace(&found[1], ""));
            Value::String(STORE_PATH.replace_all(text, name).into_owned())
        }
        Value::Array(items) => items.iter().map(redact).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), redact(value)))
            .collect(),
        other => other.clone(),
    }
}

/// The snapshots that `contract` and the sources under `root` make, by name. A name with a slash is in a subfolder.
///
/// # Errors
/// `contract` is not an object, a plain concern holds something other than text, or a source cannot be read.
pub fn render(contract: &Value, root: &Path) -> Result<BTreeMap<String, String>> {
    let concerns = contract
        .as_object()
        .context("the contract is not an attribute set")?;
    let mut snapshots = BTreeMap::new();
    for (concern, value) in concerns {
        if PLAIN.contains(&concern.as_str()) {
            plain(concern, &redact(value), &mut snapshots)?;
        } else {
            let json = serde_json::to_string_pretty(&redact(value))?;
            snapshots.insert(concern.clone(), json + "\n");
        }
    }
    let sources = serde_json::to_string_pretty(&digest::sources(root)?)?;
    snapshots.insert(SOURCES.into(), sources + "\n");
    Ok(snapshots)
}

/// Adds every text in `value`. A file ends with one line feed.
fn plain(name: &str, value: &Value, snapshots: &mut BTreeMap<String, String>) -> Result<()> {
    match value {
        Value::String(text) => {
            snapshots.insert(name.to_string(), format!("{}\n", text.trim_end()));
        }
        Value::Object(fields) => {
            for (field, value) in fields {
                plain(&format!("{name}/{field}"), value, snapshots)?;
            }
        }
        other => {
            return Err(usage(format!(
                "tests/contract.nix: {name} is {other}, not text"
            )));
        }
    }
    Ok(())
}

/// The evaluated configuration beside its record.
#[derive(Debug, Default)]
pub struct Comparison {
    /// By snapshot: the difference as a unified diff.
    pub different: BTreeMap<String, String>,
    /// Why the texts were not compared, if they were not; one line.
    pub texts_skipped: Option<String>,
}

/// Compares `snapshots` with the record in `folder`.
///
/// # Errors
/// There is no record, or a file of it cannot be read.
pub fn compare(folder: &Path, snapshots: &BTreeMap<String, String>) -> Result<Comparison> {
    compare_beside(folder, snapshots, other_release(folder, snapshots)?)
}

/// [`compare`], without the texts if there is a reason to skip them.
fn compare_beside(
    folder: &Path,
    snapshots: &BTreeMap<String, String>,
    texts_skipped: Option<String>,
) -> Result<Comparison> {
    let mut comparison = Comparison {
        texts_skipped,
        ..Comparison::default()
    };
    let mut names = recorded(folder)?;
    names.extend(snapshots.keys().cloned());
    names.sort();
    names.dedup();
    for name in names {
        if comparison.texts_skipped.is_some() && name.split('/').next() == Some(TEXTS) {
            continue;
        }
        let path = file(folder, &name);
        let old = if path.exists() {
            text(&path)?
        } else {
            String::new()
        };
        let new = snapshots.get(&name).map_or("", String::as_str);
        if old != new {
            let diff = TextDiff::from_lines(old.as_str(), new)
                .unified_diff()
                .header(
                    &format!("{name} (recorded)"),
                    &format!("{name} (evaluated)"),
                )
                .to_string();
            comparison.different.insert(name, diff);
        }
    }
    Ok(comparison)
}

/// Why the texts cannot be compared: they were recorded on another release.
///
/// # Errors
/// A text cannot be read.
pub fn other_release(
    folder: &Path,
    snapshots: &BTreeMap<String, String>,
) -> Result<Option<String>> {
    let path = file(folder, RELEASE);
    if !path.exists() {
        return Ok(None);
    }
    let recorded = text(&path)?;
    let evaluated = snapshots.get(RELEASE).map_or("", String::as_str);
    Ok((recorded != evaluated).then(|| {
        format!(
            "the texts in {TEXTS}/ were recorded on NixOS {}, and this is NixOS {}",
            recorded.trim(),
            evaluated.trim()
        )
    }))
}

/// Records `snapshots` in `folder`, and removes the files of concerns that are gone.
///
/// # Errors
/// A file cannot be written or removed.
pub fn accept(folder: &Path, snapshots: &BTreeMap<String, String>) -> Result<()> {
    for (name, text) in snapshots {
        let path = file(folder, name);
        let around = path.parent().unwrap_or(folder);
        fs::create_dir_all(around)
            .and_then(|()| fs::write(&path, format!("{HEADER}{text}")))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    for name in recorded(folder)? {
        if !snapshots.contains_key(&name) {
            fs::remove_file(file(folder, &name))?;
        }
    }
    Ok(())
}
