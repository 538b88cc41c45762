//! Puts defects into a guest.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cli::Nixpkgs;
use crate::guest::{Kind, nixos, standin};
use crate::mutant::{HeldTo, Mutant};
use crate::nix::Nix;
use crate::project;
use crate::test_env::TestEnv;

/// Makes benches with defects.
pub struct Breeder<'a> {
    bench: &'a TestEnv,
    cache: &'a Path,
    /// The recorded contract, which the stand-in guest is made from.
    record: &'a Value,
    /// What the other guest is made from.
    nix: Option<Nix>,
}

impl<'a> Breeder<'a> {
    /// `bench` is without defect; guests are taken from `cache`.
    pub fn new(
        bench: &'a TestEnv,
        cache: &'a Path,
        record: &'a Value,
        nixpkgs: &Nixpkgs,
    ) -> Result<Self> {
        let nix = match bench.guest.kind {
            Kind::Standin => None,
            Kind::Nixos => Some(Nix::find(&project::root()?, nixpkgs.nixpkgs.clone())?),
        };
        Ok(Breeder {
            bench,
            cache,
            record,
            nix,
        })
    }

    /// A bench whose guest has the defects of `batch`, all of which are held to the same; the files that it takes are put
    /// into `folder`.
    ///
    /// # Errors
    /// A defect does not fit the record; NixOS has no words for one, or refuses them together.
    pub fn bench(&self, batch: &[&'static Mutant], folder: &Path) -> Result<TestEnv> {
        let (guest, contract) = match &self.nix {
            None => {
                let mut defects = batch.iter();
                let record =
                    defects.try_fold(self.record.clone(), |record, one| one.apply(&record))?;
                let contract = serde_json::from_value(record)?;
                let guest = standin::prepare(&contract, self.cache, folder, &mut |_| ())?;
                (guest, contract)
            }
            Some(nix) => {
                let modules: Option<Vec<&str>> = batch.iter().map(|mutant| mutant.nixos).collect();
                let modules = modules.context("no option of NixOS leads to this defect")?;
                let (guest, contract) = nixos::prepare_changed(nix, &modules)?;
                let contract = serde_json::from_value(contract)
                    .context("tests/contract.nix and the harness differ")?;
                (guest, contract)
            }
        };
        let unchanged = batch.iter().any(|one| one.held_to == HeldTo::Unchanged);
        let contract = if unchanged {
            self.bench.contract.clone()
        } else {
            contract
        };
        Ok(self.bench.with(guest, contract))
    }
}
