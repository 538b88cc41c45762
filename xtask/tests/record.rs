//! The evaluated configuration against its record, by insta.

mod common;

use std::sync::OnceLock;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use xtask::contract::Contract;
use xtask::nix::Nix;
use xtask::snapshot::{self, Mode};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        common::trial("the_record_has_the_contracts_shape", &[], || {
            let contract = snapshot::load(&snapshot::folder(&common::root()))?;
            assert!(contract.users.accounts().contains_key("ollamalive"));
            Ok(())
        }),
        common::trial("the_record_is_fresh", &[], || {
            Ok(snapshot::require_fresh(
                &snapshot::folder(&common::root()),
                &common::root(),
            )?)
        }),
    ];
    trials.push(evaluated());
    libtest_mimic::run(&arguments, trials).exit();
}

/// Ignored where nothing can be evaluated: without Nix, or without the nixpkgs that the flake names.
fn evaluated() -> Trial {
    let name = "the_record_is_what_nix_evaluates";
    let nix = Nix::find(&common::root(), std::env::var("OLLAMALIVE_NIXPKGS").ok());
    let reason = match &nix {
        Ok(nix) => match nix.nixpkgs_unreachable() {
            Ok(unreachable) => unreachable.map(|reason| reason.0),
            Err(_) => None,
        },
        Err(error) => Some(error.to_string()),
    };
    static NIX: OnceLock<Nix> = OnceLock::new();
    if let (Ok(nix), None) = (nix, &reason) {
        NIX.get_or_init(|| nix);
    }
    let run = || -> Result<(), Failed> {
        let contract: Value = NIX
            .get()
            .ok_or("nothing can be evaluated here")?
            .contract()?;
        serde_json::from_value::<Contract>(contract.clone())?;
        let snapshots = snapshot::render(&contract, &common::root())?;
        let different = snapshot::compare(
            &snapshot::folder(&common::root()),
            &snapshots,
            Mode::Compare,
        )?;
        if different.is_empty() {
            Ok(())
        } else {
            Err(format!("different: {}", different.join(", ")).into())
        }
    };
    match reason {
        None => Trial::test(name, run),
        Some(reason) => {
            Trial::test(format!("{name} (ignored: {reason})"), run).with_ignored_flag(true)
        }
    }
}
