//! Builds guests with defects.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cli::Nixpkgs;
use crate::guest::{GuestKind, nixos, standin};
use crate::mutant::{HeldTo, Mutant};
use crate::nix::Nix;
use crate::project;
use crate::scenario::NEWER;
use crate::test_env::TestEnv;
use crate::variant::Variant;

/// Builds test environments whose guest has defects.
pub struct Builder<'a> {
    env: &'a TestEnv,
    cache: &'a Path,
    /// The recorded contract, for the stand-in guest.
    record: &'a Value,
    /// For the nixos guest.
    nix: Option<Nix>,
    /// The module of the variant that is broken.
    variant: Option<String>,
}

impl<'a> Builder<'a> {
    /// `env` has no defect; base images of guests are in `cache`.
    pub fn new(
        env: &'a TestEnv,
        cache: &'a Path,
        record: &'a Value,
        nixpkgs: &Nixpkgs,
        variant: Option<&Variant>,
    ) -> Result<Self> {
        let nix = match env.guest.kind {
            GuestKind::Standin => None,
            GuestKind::Nixos => Some(Nix::find(&project::root()?, nixpkgs.nixpkgs.clone())?),
        };
        Ok(Builder {
            env,
            cache,
            record,
            nix,
            variant: variant.map(Variant::module),
        })
    }

    /// An environment whose guest has the defects of `batch`, all held to the same contract; its files are in `folder`.
    ///
    /// # Errors
    /// A defect does not fit the record; no NixOS option causes one of them, or NixOS refuses them together.
    pub fn build(&self, batch: &[&'static Mutant], folder: &Path) -> Result<TestEnv> {
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
                let mut modules = modules.context("no NixOS option causes this defect")?;
                modules.extend(self.variant.as_deref());
                let (mut guest, contract) = nixos::prepare_changed(nix, &modules)?;
                if self.env.guest.newer.is_some() {
                    let version = nixos::version_module(NEWER);
                    modules.push(&version);
                    guest.newer = Some(nixos::prepare_changed(nix, &modules)?.0.image);
                }
                let contract = serde_json::from_value(contract)
                    .context("tests/contract.nix and the harness differ")?;
                (guest, contract)
            }
        };
        let unchanged = batch.iter().any(|one| one.held_to == HeldTo::Unchanged);
        let contract = if unchanged {
            self.env.contract.clone()
        } else {
            contract
        };
        Ok(self.env.with(guest, contract))
    }
}
