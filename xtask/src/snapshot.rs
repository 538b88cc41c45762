//! The record of the evaluated configuration: insta snapshots, one a concern, JSON inside.
//!
//! Store hashes and versions are left out, so that one record holds on every release of NixOS that is supported. Beside
//! them, `sources.snap` keeps the digests of the files that were evaluated, so that a stale record is never tested.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use regex::{Captures, Regex};
use serde_json::{Map, Value};

use crate::contract::Contract;
use crate::digest;
use crate::error::usage;

/// The snapshot that holds the digests.
const SOURCES: &str = "sources";
/// What records the configuration anew.
pub const ACCEPT: &str = "cargo xtask snapshot --accept";

/// Where the record is kept.
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

/// The snapshots that `contract` and the sources under `root` make, by name: pretty-printed JSON.
pub fn render(contract: &Value, root: &Path) -> Result<BTreeMap<String, String>> {
    let concerns = contract
        .as_object()
        .context("the contract is not an attribute set")?;
    let mut snapshots = BTreeMap::new();
    for (concern, value) in concerns {
        snapshots.insert(
            concern.clone(),
            serde_json::to_string_pretty(&redact(value))?,
        );
    }
    snapshots.insert(
        SOURCES.into(),
        serde_json::to_string_pretty(&digest::sources(root)?)?,
    );
    Ok(snapshots)
}

/// What to do with a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Show it.
    Compare,
    /// Record what is there now.
    Accept,
}

/// Compares `text` with the snapshot `name` in `folder` by insta, which prints the difference. True when they agree.
pub fn assert(folder: &Path, name: &str, text: &str, mode: Mode) -> bool {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // insta takes its mode from the environment; the caller has it set before any thread is started.
    debug_assert_eq!(
        std::env::var("INSTA_UPDATE").as_deref().ok(),
        Some(mode.insta())
    );
    panic::catch_unwind(AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!(name, text))
    }))
    .is_ok()
}

impl Mode {
    /// insta's word for it.
    pub fn insta(self) -> &'static str {
        match self {
            Mode::Compare => "no",
            Mode::Accept => "always",
        }
    }
}

/// Compares or records everything. Returns the names that differ; in [`Mode::Accept`] also removes records of concerns
/// that are gone.
pub fn compare(
    folder: &Path,
    snapshots: &BTreeMap<String, String>,
    mode: Mode,
) -> Result<Vec<String>> {
    // SAFETY: the commands call this before they start any thread.
    unsafe {
        std::env::set_var("INSTA_UPDATE", mode.insta());
        std::env::set_var("INSTA_FORCE_PASS", "0");
        std::env::set_var(
            "INSTA_WORKSPACE_ROOT",
            folder.parent().and_then(Path::parent).unwrap_or(folder),
        );
    }
    let mut different = Vec::new();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    for (name, text) in snapshots {
        if !assert(folder, name, text, mode) {
            different.push(name.clone());
        }
    }
    panic::set_hook(hook);
    for name in recorded(folder)? {
        if !snapshots.contains_key(&name) {
            different.push(name.clone());
            if mode == Mode::Accept {
                fs::remove_file(folder.join(format!("{name}.snap")))?;
            }
        }
    }
    if mode == Mode::Accept {
        different.clear();
    }
    Ok(different)
}

fn recorded(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => bail!(usage(format!(
            "no record in {}: {error}; `{ACCEPT}` makes one",
            folder.display()
        ))),
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_suffix(".snap")
                .map(str::to_string)
        })
        .collect();
    names.sort();
    Ok(names)
}

/// The JSON in one snapshot file: what follows insta's header.
fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path)
        .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
    let body = text.splitn(3, "---\n").nth(2).unwrap_or(&text);
    serde_json::from_str(body).map_err(|error| {
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

/// The recorded contract as it is in the files: an object with a field a concern.
///
/// # Errors
/// A file is missing or is not JSON; it is named.
pub fn load_json(folder: &Path) -> Result<Value> {
    let mut whole = Map::new();
    for name in recorded(folder)? {
        if name != SOURCES {
            whole.insert(name.clone(), read(&folder.join(format!("{name}.snap")))?);
        }
    }
    Ok(Value::Object(whole))
}

/// Makes sure that the record was made from the sources as they are now.
///
/// # Errors
/// Names the files that have changed since, and the command that records them anew.
pub fn require_fresh(folder: &Path, root: &Path) -> Result<()> {
    let path = folder.join(format!("{SOURCES}.snap"));
    let recorded: BTreeMap<String, String> = serde_json::from_value(read(&path)?)
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
}
