//! `check`: the flake evaluates, its outputs instantiate, the record holds.

use anyhow::Result;

use crate::cli::{Nixpkgs, Snapshot};
use crate::nix::Nix;
use crate::project;

/// What users build, and what the tests boot.
const OUTPUTS: &[&str] = &[
    "nixosConfigurations.OllamaLive.config.system.build.toplevel",
    "packages.x86_64-linux.iso",
    "packages.x86_64-linux.raw",
    "packages.x86_64-linux.vm",
];

pub fn run(options: &Nixpkgs) -> Result<()> {
    let root = project::root()?;
    let nix = Nix::find(&root, options.nixpkgs.clone())?;
    super::snapshot::run(&Snapshot {
        accept: false,
        nixpkgs: options.clone(),
    })?;
    for output in OUTPUTS {
        tell!("{output}: {}", nix.instantiate(output)?);
    }
    match nix.realisable("checks.x86_64-linux.toplevel")? {
        None => {
            nix.flake_check(true)?;
            tell!("nix flake check: evaluated and built");
        }
        Some(reason) => {
            nix.flake_check(false)?;
            tell!(
                "nix flake check: evaluated; skipped: building the checks ({})",
                reason.0
            );
        }
    }
    Ok(())
}
