//! The guest that is made from the sources of this project: which one, and how it is prepared.

use std::path::Path;

use anyhow::{Context, Result};

use super::Wanted;
use crate::cli::{GuestChoice, Nixpkgs};
use crate::contract::Contract;
use crate::error::usage;
use crate::guest::{self, Guest, GuestKind, nixos, standin};
use crate::nix::Nix;
use crate::report::ConsoleReporter;
use crate::scenario::NEWER;
use crate::variant::Variant;
use crate::{packages, project, snapshot};

/// The guest, the contract that it is held to, and the nixpkgs that both come from.
type Prepared = (Guest, Contract, String);

/// Chooses and prepares the guest that is `wanted`.
pub fn from_sources(
    wanted: Wanted,
    cache: &Path,
    folder: &Path,
    console: &ConsoleReporter,
) -> Result<Prepared> {
    let root = project::root()?;
    let nix = choose(wanted, &root, console)?;
    let kind = if nix.is_some() {
        GuestKind::Nixos
    } else {
        GuestKind::Standin
    };
    packages::ensure(wanted.consent.yes, &guest::needs(Some(kind)))?;
    match nix {
        Some(nix) => built(wanted, &nix, console),
        None => configured(wanted, &root, cache, folder, console),
    }
}

/// NixOS, built by Nix.
fn built(wanted: Wanted, nix: &Nix, console: &ConsoleReporter) -> Result<Prepared> {
    console.say("evaluating the configuration");
    let (mut guest, contract) = match wanted.variant {
        Some(variant) => {
            console.say("building the image");
            nixos::prepare_changed(nix, &[&variant.module()])?
        }
        None => {
            let contract = nix.contract()?;
            console.say("building the image");
            (nixos::prepare(nix)?, contract)
        }
    };
    let contract: Contract =
        serde_json::from_value(contract).context("tests/contract.nix and the harness differ")?;
    if wanted.newer && contract.update.url.is_some() {
        console.say("building the image of a newer version");
        let version = nixos::version_module(NEWER);
        let variant = wanted.variant.map(Variant::module);
        let modules: Vec<&str> = variant
            .iter()
            .chain([&version])
            .map(String::as_str)
            .collect();
        guest.newer = Some(nixos::prepare_changed(nix, &modules)?.0.image);
    }
    Ok((guest, contract, nix.nixpkgs().to_string()))
}

/// The stand-in, configured from the record.
fn configured(
    wanted: Wanted,
    root: &Path,
    cache: &Path,
    folder: &Path,
    console: &ConsoleReporter,
) -> Result<Prepared> {
    let record = match wanted.snapshots {
        Some(another) => another.to_path_buf(),
        None => {
            let record = snapshot::folder(root);
            snapshot::require_fresh(&record, root)?;
            record
        }
    };
    let contract = match wanted.variant {
        None => snapshot::load(&record)?,
        Some(variant) => {
            let own = snapshot::variants::folder(&record, &variant.name);
            snapshot::load_variant(&record, &own)?
        }
    };
    let spinner = console.spinner("guest");
    let guest = standin::prepare(&contract, cache, folder, &mut |text| {
        spinner.step(text.to_string());
        console.say(text);
    })?;
    Ok((
        guest,
        contract,
        format!("the record in {}", record.display()),
    ))
}

/// Nix, if it builds the nixos guest, or `None` for the stand-in; with `auto` it prints the reason.
fn choose(wanted: Wanted, root: &Path, console: &ConsoleReporter) -> Result<Option<Nix>> {
    match wanted.guest {
        GuestChoice::Standin => Ok(None),
        GuestChoice::Nixos if wanted.snapshots.is_some() => Err(usage(
            "--snapshots is for the stand-in guest: leave it out, or use --guest standin",
        )),
        GuestChoice::Nixos => {
            let nix = Nix::find(root, wanted.nixpkgs.nixpkgs.clone())?;
            match nixos::realisable(&nix)? {
                None => Ok(Some(nix)),
                Some(reason) => Err(usage(format!(
                    "Nix cannot build the image here: {}; use --guest standin",
                    reason.0
                ))),
            }
        }
        GuestChoice::Auto if wanted.snapshots.is_some() => Ok(None),
        GuestChoice::Auto => match auto(root, wanted.nixpkgs)? {
            Ok(nix) => Ok(Some(nix)),
            Err(reason) => {
                console.say(&format!("guest standin: {reason}"));
                Ok(None)
            }
        },
    }
}

/// What `--guest auto` picks: NixOS, built with this Nix, or the stand-in for this reason.
///
/// # Errors
/// The configuration does not evaluate, or Ctrl-C.
pub fn auto(root: &Path, nixpkgs: &Nixpkgs) -> Result<Result<Nix, String>> {
    let Ok(nix) = Nix::find(root, nixpkgs.nixpkgs.clone()) else {
        return Ok(Err("Nix is not installed".to_string()));
    };
    // Without nixpkgs nothing can even be evaluated.
    let hindrance = match nix.nixpkgs_unreachable()? {
        None => nixos::realisable(&nix)?,
        unreachable => unreachable,
    };
    Ok(match hindrance {
        None => Ok(nix),
        Some(reason) => Err(reason.0),
    })
}
