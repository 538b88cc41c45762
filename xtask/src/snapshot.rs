//! The record of the evaluated configuration, in insta's file format.
//!
//! - `NAME.snap`: the values of one concern as JSON, the same on every supported release of NixOS.
//! - `scripts/` and `sshd_config.snap`: plain text with the same property.
//! - `texts/`: plain text that NixOS renders, compared only on the release that it was recorded on.
//! - `sources.snap`: the digests of the evaluated files, so that a stale record is never tested.
//!
//! Store hashes and versions are left out. `tests/record.rs` compares the record with insta's own macro. A program cannot
//! use that macro: it panics at a difference and takes its settings from the environment. The commands therefore read and
//! write the same files here, and show differences with `similar`, the crate that insta uses.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::{Captures, Regex};
use serde_json::{Map, Value};
use similar::TextDiff;

use crate::contract::Contract;
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
    let mut comparison = Comparison {
        texts_skipped: other_release(folder, snapshots)?,
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

fn file(folder: &Path, name: &str) -> PathBuf {
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
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), names)?;
        } else if let Some(name) = name.strip_suffix(".snap") {
            names.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

/// The content of a snapshot file: everything after insta's header.
fn text(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path)
        .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
    match text.splitn(3, "---\n").nth(2) {
        Some(body) => Ok(body.to_string()),
        None => Ok(text),
    }
}

fn json(path: &Path) -> Result<Value> {
    serde_json::from_str(&text(path)?).map_err(|error| {
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
    serde_json::from_value(load_json(folder)?).map_err(|error| {
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
    let mut whole = Map::new();
    for name in recorded(folder)? {
        let path = file(folder, &name);
        let concern = name.split('/').next().unwrap_or(&name);
        if name == SOURCES {
            continue;
        } else if PLAIN.contains(&concern) {
            insert(&mut whole, &name, Value::String(text(&path)?));
        } else {
            whole.insert(name, json(&path)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshots(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter()
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect()
    }

    #[test]
    fn hashes_and_versions_are_left_out() {
        let value = serde_json::json!({
            "a": "x /nix/store/ww2wf5b928m0b53dp2bdifpgqqyfshvb-openssh-10.3p1/libexec/sftp-server y",
            "b": ["/nix/store/ww2wf5b928m0b53dp2bdifpgqqyfshvb-unit-script-docker-start"],
        });
        let redacted = redact(&value);
        assert_eq!(redacted["a"], "x /nix/store/openssh/libexec/sftp-server y");
        assert_eq!(redacted["b"][0], "/nix/store/unit-script-docker-start");
    }

    #[test]
    fn a_file_that_is_not_json_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("ssh.snap"),
            "---\nsource: x\n---\n{ not json",
        )
        .unwrap();
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("ssh.snap is not a snapshot with JSON inside") && error.contains(ACCEPT),
            "{error}"
        );
    }

    #[test]
    fn an_accepted_record_is_read_back_and_has_no_difference() {
        let folder = tempfile::tempdir().unwrap();
        let old = snapshots(&[("gone", "1\n"), ("texts/fstab", "x\n")]);
        accept(folder.path(), &old).unwrap();
        let new = snapshots(&[
            ("docker", "{}\n"),
            ("scripts/a-start", "---\nexit\n"),
            ("texts/release", "26.05\n"),
        ]);
        accept(folder.path(), &new).unwrap();
        assert!(compare(folder.path(), &new).unwrap().different.is_empty());
        assert_eq!(
            load_json(folder.path()).unwrap(),
            serde_json::json!({
                "docker": {}, "scripts": { "a-start": "---\nexit\n" }, "texts": { "release": "26.05\n" }
            })
        );
    }

    #[test]
    fn a_difference_is_shown_by_line() {
        let folder = tempfile::tempdir().unwrap();
        accept(folder.path(), &snapshots(&[("a", "1\n2\n"), ("b", "1\n")])).unwrap();
        let compared = compare(folder.path(), &snapshots(&[("a", "1\n3\n")])).unwrap();
        assert_eq!(compared.texts_skipped, None);
        assert_eq!(
            compared.different["a"],
            "--- a (recorded)\n+++ a (evaluated)\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n"
        );
        assert!(compared.different["b"].ends_with("-1\n"));
    }

    #[test]
    fn texts_of_another_release_are_not_compared_and_the_reason_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let old = [
            ("texts/fstab", "1\n"),
            ("texts/release", "26.05\n"),
            ("a", "1\n"),
        ];
        accept(folder.path(), &snapshots(&old)).unwrap();
        let new = [
            ("texts/fstab", "2\n"),
            ("texts/release", "26.11\n"),
            ("a", "2\n"),
        ];
        let compared = compare(folder.path(), &snapshots(&new)).unwrap();
        assert_eq!(compared.different.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(
            compared.texts_skipped.unwrap(),
            "the texts in texts/ were recorded on NixOS 26.05, and this is NixOS 26.11"
        );
    }

    #[test]
    fn a_plain_concern_holds_only_text() {
        let folder = tempfile::tempdir().unwrap();
        let error = render(&serde_json::json!({ "scripts": { "a": 1 } }), folder.path())
            .unwrap_err()
            .to_string();
        assert_eq!(error, "tests/contract.nix: scripts/a is 1, not text");
    }
}
