//! `check`: the flake evaluates, its outputs instantiate, the record holds.

use anyhow::Result;

use crate::cli::{Check, Snapshot};
use crate::nix::Nix;
use crate::scenario::SCENARIOS;
use crate::{packages, project};
use vm::accel::{self, Accelerator};

/// What users build, and what the tests boot.
const OUTPUTS: &[&str] = &[
    "nixosConfigurations.OllamaLive.config.system.build.toplevel",
    "packages.x86_64-linux.iso",
    "packages.x86_64-linux.raw",
    "packages.x86_64-linux.vm",
];
/// The checks that boot nothing.
const CHECKS: &[&str] = &[
    "checks.x86_64-linux.toplevel",
    "checks.x86_64-linux.contract",
];

pub fn run(options: &Check) -> Result<()> {
    let root = project::root()?;
    let nix = Nix::find(&root, options.nixpkgs.nixpkgs.clone())?;
    super::snapshot::run(&Snapshot {
        accept: false,
        nixpkgs: options.nixpkgs.clone(),
    })?;
    for output in OUTPUTS {
        tell!("{output}: {}", nix.instantiate(output)?);
    }
    nix.flake_check()?;
    tell!("nix flake check: evaluated");
    if options.no_build {
        return Ok(());
    }
    if let Some(reason) = nix.realisable(CHECKS[0])? {
        tell!("skipped: building the checks ({})", reason.0);
        return Ok(());
    }
    for check in CHECKS {
        nix.build(check)?;
    }
    tell!("nix flake check: built {}", CHECKS.join(", "));
    match no_machines(&nix)? {
        Some(reason) => tell!("skipped: building the checks vm-*, which boot machines ({reason})"),
        None => {
            for scenario in SCENARIOS {
                nix.build(&format!("checks.x86_64-linux.vm-{}", scenario.name))?;
            }
            tell!(
                "nix flake check: built {} machines' checks",
                SCENARIOS.len()
            );
        }
    }
    Ok(())
}

/// Why Nix can boot no machines in its builds here, if so.
fn no_machines(nix: &Nix) -> Result<Option<String>> {
    let features = nix.system_features()?;
    let lacking = ["kvm", "nixos-test"]
        .into_iter()
        .find(|feature| !features.iter().any(|has| has == feature));
    if let Some(feature) = lacking {
        return Ok(Some(format!("Nix has no system feature {feature} here")));
    }
    // Nix takes the device for the feature; it may be there and not work.
    if !packages::has(vm::qemu::PROGRAM) {
        return Ok(Some("without QEMU nobody knows whether KVM works".into()));
    }
    Ok(match accel::probe(&project::cache()?)? {
        Accelerator::Kvm => None,
        other => Some(other.explain()),
    })
}
