//! `snapshot`: the configuration against its record.

use anyhow::Result;

use crate::cli::Snapshot;
use crate::contract::Contract;
use crate::error::{Broken, usage};
use crate::nix::Nix;
use crate::project;
use crate::snapshot::{self, ACCEPT, Mode};

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
        std::fs::create_dir_all(&folder)?;
        snapshot::compare(&folder, &snapshots, Mode::Accept)?;
        tell!(
            "recorded {} concerns in {}",
            snapshots.len() - 1,
            folder.display()
        );
        return Ok(());
    }
    let different = snapshot::compare(&folder, &snapshots, Mode::Compare)?;
    if different.is_empty() {
        tell!(
            "the record holds: {} concerns on {}",
            snapshots.len() - 1,
            nix.nixpkgs()
        );
        return Ok(());
    }
    tell!(
        "different from the record: {}; if that is meant, `{ACCEPT}` records it",
        different.join(", ")
    );
    Err(Broken.into())
}
