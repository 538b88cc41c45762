//! `snapshot`: the configuration against its record.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::cli::Snapshot;
use crate::contract::Contract;
use crate::error::usage;
use crate::exit::Exit;
use crate::nix::Nix;
use crate::project;
use crate::snapshot::{self, ACCEPT};

pub fn run(options: &Snapshot) -> Result<Exit> {
    let root = project::root()?;
    let nix = Nix::find(&root, options.nixpkgs.nixpkgs.clone())?;
    if !options.accept {
        return compare(&nix, &root);
    }
    let folder = snapshot::folder(&root);
    let snapshots = snapshot::render(&evaluate(&nix)?, &root)?;
    snapshot::accept(&folder, &snapshots)?;
    outln!(
        "recorded {} snapshots in {}",
        snapshots.len(),
        folder.display()
    );
    Ok(Exit::Ok)
}

/// Compares the configuration, as `nix` evaluates it, with the record under `root`, and prints the differences.
pub fn compare(nix: &Nix, root: &Path) -> Result<Exit> {
    let snapshots = snapshot::render(&evaluate(nix)?, root)?;
    let comparison = snapshot::compare(&snapshot::folder(root), &snapshots)?;
    if let Some(reason) = &comparison.texts_skipped {
        outln!("skipped: comparing the texts ({reason})");
    }
    if comparison.different.is_empty() {
        outln!("the record holds on {}", nix.nixpkgs());
        return Ok(Exit::Ok);
    }
    for diff in comparison.different.values() {
        outln!("{}", diff.trim_end());
    }
    let names: Vec<&str> = comparison.different.keys().map(String::as_str).collect();
    errln!(
        "error: different from the record: {}; if you meant to change them, record them with `{ACCEPT}`",
        names.join(", ")
    );
    Ok(Exit::CheckFailed)
}

/// The contract, of which the harness can read every field.
fn evaluate(nix: &Nix) -> Result<Value> {
    let contract = nix.contract()?;
    if let Err(error) = serde_json::from_value::<Contract>(contract.clone()) {
        return Err(usage(format!(
            "tests/contract.nix does not give what the harness reads: {error}"
        )));
    }
    Ok(contract)
}
