//! Puts a defect into a guest.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cli::Nixpkgs;
use crate::cmd::workbench::Bench;
use crate::guest::{Kind, nixos, standin};
use crate::mutant::{HeldTo, Mutant};
use crate::nix::Nix;
use crate::{project, snapshot};

/// Makes benches with a defect.
pub struct Breeder<'a> {
    bench: &'a Bench,
    cache: &'a Path,
    source: Source,
}

/// What a defect is put into.
enum Source {
    /// The recorded contract, for the stand-in guest.
    Record(Value),
    Flake(Nix),
}

impl<'a> Breeder<'a> {
    /// `bench` is without defect; guests are taken from `cache`.
    pub fn new(bench: &'a Bench, cache: &'a Path, nixpkgs: &Nixpkgs) -> Result<Self> {
        let root = project::root()?;
        let source = match bench.guest.kind {
            Kind::Standin => Source::Record(snapshot::load_json(&snapshot::folder(&root))?),
            Kind::Nixos => Source::Flake(Nix::find(&root, nixpkgs.nixpkgs.clone())?),
        };
        Ok(Breeder {
            bench,
            cache,
            source,
        })
    }

    /// A bench whose guest has the defect; the files that it takes are put into `folder`.
    pub fn bench(&self, mutant: &Mutant, folder: &Path) -> Result<Bench> {
        let (guest, contract) = match &self.source {
            Source::Record(record) => {
                let contract = serde_json::from_value(mutant.apply(record)?)?;
                let guest = standin::prepare(&contract, self.cache, folder, &mut |_| ())?;
                (guest, contract)
            }
            Source::Flake(nix) => {
                let module = mutant
                    .nixos
                    .context("no option of NixOS leads to this defect")?;
                let (guest, contract) = nixos::prepare_changed(nix, module)?;
                let contract = serde_json::from_value(contract)
                    .context("tests/contract.nix and the harness differ")?;
                (guest, contract)
            }
        };
        let contract = match mutant.held_to {
            HeldTo::Itself => contract,
            HeldTo::Unchanged => self.bench.contract.clone(),
        };
        Ok(self.bench.with(guest, contract))
    }
}
