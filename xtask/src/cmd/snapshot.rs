//! `snapshot`: the configuration and its variants against their record.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::cli::Snapshot;
use crate::contract::Contract;
use crate::error::{one_line, usage};
use crate::exit::Exit;
use crate::nix::Nix;
use crate::project;
use crate::snapshot::{self, ACCEPT, Comparison, variants};
use crate::variant::{self, Variant};
use vm::process;

pub fn run(options: &Snapshot) -> Result<Exit> {
    let root = project::root()?;
    let nix = Nix::find(&root, options.nixpkgs.nixpkgs.clone())?;
    if options.accept {
        accept(&nix, &root)
    } else {
        compare(&nix, &root)
    }
}

/// Records the configuration and every variant, or nothing if one of them cannot be evaluated.
fn accept(nix: &Nix, root: &Path) -> Result<Exit> {
    let folder = snapshot::folder(root);
    let default = snapshot::render(&checked(nix.contract()?)?, root)?;
    let mut differences = BTreeMap::new();
    for variant in variant::all(root)? {
        let difference = evaluate(nix, root, &variant, &default)?;
        differences.insert(variant.name, difference);
    }
    snapshot::accept(&folder, &default)?;
    variants::accept_all(&folder, &differences)?;
    outln!(
        "recorded {} snapshots and {} variants in {}",
        default.len(),
        differences.len(),
        folder.display()
    );
    Ok(Exit::Ok)
}

/// Compares the configuration and its variants, as `nix` evaluates them, with the record under `root`, and prints the
/// differences. A variant that cannot be evaluated is named, and the others are compared.
pub fn compare(nix: &Nix, root: &Path) -> Result<Exit> {
    let folder = snapshot::folder(root);
    let default = snapshot::render(&checked(nix.contract()?)?, root)?;
    let comparison = snapshot::compare(&folder, &default)?;
    if let Some(reason) = &comparison.texts_skipped {
        outln!("skipped: comparing the texts ({reason})");
    }
    let mut different = differences("", &comparison);
    let mut not_run = false;
    let all = variant::all(root)?;
    for variant in &all {
        let compared = evaluate(nix, root, variant, &default)
            .and_then(|own| variants::compare(&folder, &variant.name, &own, &comparison));
        match compared {
            Ok(own) => different.extend(differences(&format!("{} ", variant.name), &own)),
            Err(error) => {
                process::check_interrupt()?;
                errln!("error: variant {}: {}", variant.name, one_line(&error));
                not_run = true;
            }
        }
    }
    for name in variants::recorded(&folder)? {
        if !all.iter().any(|variant| variant.name == name) {
            different.push(format!("{name} (it is no longer in {})", variant::FOLDER));
        }
    }
    if !different.is_empty() {
        errln!(
            "error: different from the record: {}; if you meant to change them, record them with `{ACCEPT}`",
            different.join(", ")
        );
        return Ok(Exit::CheckFailed);
    }
    if not_run {
        return Ok(Exit::NotRun);
    }
    outln!(
        "the record holds on {}, with {} variants",
        nix.nixpkgs(),
        all.len()
    );
    Ok(Exit::Ok)
}

/// Prints the differences, and returns their names after `prefix`.
fn differences(prefix: &str, comparison: &Comparison) -> Vec<String> {
    for diff in comparison.different.values() {
        outln!("{prefix}{}", diff.trim_end());
    }
    let names = comparison.different.keys();
    names.map(|name| format!("{prefix}{name}")).collect()
}

/// What differs in `variant` from the `default` snapshots.
fn evaluate(
    nix: &Nix,
    root: &Path,
    variant: &Variant,
    default: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let contract = checked(nix.changed_contract(&[&variant.module()])?)?;
    let difference = variants::difference(default, &snapshot::render(&contract, root)?);
    if difference.is_empty() {
        return Err(usage(format!(
            "{}/{}.nix changes nothing: set an option in it, or remove it",
            variant::FOLDER,
            variant.name
        )));
    }
    Ok(difference)
}

/// `contract`, of which the harness can read every field.
fn checked(contract: Value) -> Result<Value> {
    if let Err(error) = serde_json::from_value::<Contract>(contract.clone()) {
        return Err(usage(format!(
            "tests/contract.nix does not give what the harness reads: {error}"
        )));
    }
    Ok(contract)
}
