//! `snapshot`: compares the evaluated configuration with its record.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::cli::Snapshot;
use crate::contract::Contract;
use crate::error::usage;
use crate::exit::Exit;
use crate::nix::Nix;
use crate::project;
use crate::snapshot::{self, ACCEPT, Mode};

pub fn run(options: &Snapshot) -> Result<Exit> {
    let root = project::root()?;
    let nix = Nix::find(&root, options.nixpkgs.nixpkgs.clone())?;
    if !options.accept {
        return compare(&nix, &root);
    }
    let folder = snapshot::folder(&root);
    let snapshots = snapshot::render(&evaluate(&nix)?, &root)?;
    std::fs::create_dir_all(&folder)?;
    snapshot::compare(&folder, &snapshots, Mode::Accept)?;
    outln!(
        "recorded {} concerns in {}",
        snapshots.len() - 1,
        folder.display()
    );
    Ok(Exit::Ok)
}

/// Compares the configuration, as `nix` evaluates it, with the record under `root`, and prints the differences.
pub fn compare(nix: &Nix, root: &Path) -> Result<Exit> {
    let snapshots = snapshot::render(&evaluate(nix)?, root)?;
    let different = snapshot::compare(&snapshot::folder(root), &snapshots, Mode::Compare)?;
    if different.is_empty() {
        outln!(
            "the record holds: {} concerns on {}",
            snapshots.len() - 1,
            nix.nixpkgs()
        );
        return Ok(Exit::Ok);
    }
    errln!(
        "error: different from the record: {}; if you meant to change them, record them with `{ACCEPT}`",
        different.join(", ")
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
