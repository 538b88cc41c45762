//! `snapshot`: the configuration against its record.

use anyhow::Result;

use crate::cli::Snapshot;
use crate::contract::Contract;
use crate::error::{Broken, usage};
use crate::nix::Nix;
use crate::project;
use crate::snapshot::{self, ACCEPT};

pub fn run(options: &Snapshot) -> Result<()> {
    let root = project::root()?;
    let nix = Nix::find(&root, options.nixpkgs.nixpkgs.clone())?;
    let contract = nix.contract()?;
    if let Err(error) = serde_json::from_value::<Contract>(contract.clone()) {
        return Err(usage(format!(
            "tests/contract.nix does not give what the harness reads: {error}"
        )));
    }
    let folder = snapshot::folder(&root);
    let snapshots = snapshot::render(&contract, &root)?;
    if options.accept {
        snapshot::accept(&folder, &snapshots)?;
        tell!(
            "recorded {} snapshots in {}",
            snapshots.len(),
            folder.display()
        );
        return Ok(());
    }
    let comparison = snapshot::compare(&folder, &snapshots)?;
    if let Some(reason) = &comparison.texts_skipped {
        tell!("skipped: comparing the texts ({reason})");
    }
    if comparison.different.is_empty() {
        tell!("the record holds on {}", nix.nixpkgs());
        return Ok(());
    }
    for diff in comparison.different.values() {
        tell!("{}", diff.trim_end());
    }
    let names: Vec<&str> = comparison.different.keys().map(String::as_str).collect();
    tell!(
        "different from the record: {}; if that is meant, `{ACCEPT}` records it",
        names.join(", ")
    );
    Err(Broken.into())
}
