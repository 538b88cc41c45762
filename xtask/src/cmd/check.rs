//! `check`: the flake evaluates, its outputs instantiate, the record holds; with `--mutants`, every mutant evaluates too.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::cli::Check;
use crate::exit::Exit;
use crate::mutant;
use crate::nix::Nix;
use crate::report::ConsoleReporter;
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
    "checks.x86_64-linux.format",
    "checks.x86_64-linux.unused",
    "checks.x86_64-linux.scripts",
];

pub fn run(options: &Check) -> Result<Exit> {
    let root = project::root()?;
    let nix = Nix::find(&root, options.nixpkgs.nixpkgs.clone())?;
    if options.mutants {
        return mutants(&nix);
    }
    flake(&nix, &root, !options.no_build)
}

/// Evaluates the flake, compares it with its record, and builds its checks if `build` is set and Nix can build here.
pub fn flake(nix: &Nix, root: &Path, build: bool) -> Result<Exit> {
    let exit = super::snapshot::compare(nix, root)?;
    if exit != Exit::Ok {
        return Ok(exit);
    }
    for output in OUTPUTS {
        outln!("{output}: {}", nix.instantiate(output)?);
    }
    nix.flake_check()?;
    outln!("nix flake check: evaluated");
    if build {
        build_checks(nix)?;
    }
    Ok(Exit::Ok)
}

fn build_checks(nix: &Nix) -> Result<()> {
    for check in CHECKS {
        let Some(reason) = nix.realisable(check)? else {
            nix.build(check)?;
            outln!("nix flake check: built {check}");
            continue;
        };
        outln!("skipped: building {check} ({})", reason.0);
        // Without the system itself nothing else can be built or booted.
        if *check == CHECKS[0] {
            return Ok(());
        }
    }
    match no_machines(nix)? {
        Some(reason) => {
            outln!("skipped: building the checks vm-*, which boot machines ({reason})");
        }
        None => {
            for scenario in SCENARIOS {
                nix.build(&format!("checks.x86_64-linux.vm-{}", scenario.name))?;
            }
            outln!(
                "nix flake check: built {} checks that boot machines",
                SCENARIOS.len()
            );
        }
    }
    Ok(())
}

/// Why Nix cannot boot machines in its builds here, if so.
fn no_machines(nix: &Nix) -> Result<Option<String>> {
    let features = nix.system_features()?;
    let lacking = ["kvm", "nixos-test"]
        .into_iter()
        .find(|feature| !features.iter().any(|has| has == feature));
    if let Some(feature) = lacking {
        return Ok(Some(format!("Nix has no system feature {feature} here")));
    }
    // Nix looks only for the device, which may be there without working.
    if !packages::has(vm::qemu::PROGRAM) {
        return Ok(Some("KVM cannot be probed without QEMU".into()));
    }
    Ok(match accel::probe(&project::cache()?)? {
        Accelerator::Kvm => None,
        other => Some(other.explain()),
    })
}

/// Evaluates the NixOS configuration of every mutant, and names those that fail.
fn mutants(nix: &Nix) -> Result<Exit> {
    let start = Instant::now();
    let with: Vec<(&str, &str)> = mutant::all()
        .filter_map(|mutant| Some((mutant.id, mutant.nixos?)))
        .collect();
    let modules: Vec<&str> = with.iter().map(|(_, module)| *module).collect();
    let console = ConsoleReporter::default();
    console.say(&format!("evaluating {} mutants", with.len()));
    let mut failed = 0;
    nix.evaluate_each(&modules, &mut |index, problem| {
        let id = with[index].0;
        match problem {
            None => console.say(&format!("{id}: evaluates")),
            Some(problem) => {
                failed += 1;
                errln!("error: mutant {id} does not evaluate: {problem}");
            }
        }
    })?;
    outln!(
        "{} of {} mutants evaluate ({} others are not defects of NixOS); {:.0} s",
        with.len() - failed,
        with.len(),
        mutant::all().count() - with.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(if failed == 0 {
        Exit::Ok
    } else {
        Exit::CheckFailed
    })
}
