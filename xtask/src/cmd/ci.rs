//! `ci`: the project's own tests, as the pull-request workflow and the maintainer run them.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::cli::{Check, Ci, GuestChoice, Test};
use crate::error::{Broken, usage};
use crate::guest::nixos;
use crate::nix::Nix;
use vm::accel::{self, Accelerator};
use vm::process;

use crate::{packages, project};

/// One step; compiling everything from nothing on two cores is the longest of the short ones.
const STEP: Duration = Duration::from_secs(1800);

/// What a step came to.
enum Outcome {
    Passed,
    Failed(anyhow::Error),
    Skipped(String),
}

pub fn run(options: &Ci) -> Result<()> {
    packages::ensure(options.consent.yes, None)?;
    let root = project::root()?;
    let mut steps: Vec<(&str, Outcome, f64)> = Vec::new();
    let mut step =
        |name: &'static str, run: &mut dyn FnMut() -> Result<Option<String>>| -> Result<()> {
            tell_aside!("\n== {name}");
            let start = Instant::now();
            let outcome = match run() {
                Ok(None) => Outcome::Passed,
                Ok(Some(reason)) => Outcome::Skipped(reason),
                Err(error) => Outcome::Failed(error),
            };
            process::check_interrupt()?;
            steps.push((name, outcome, start.elapsed().as_secs_f64()));
            Ok(())
        };
    let shell = Shell::new()?;
    shell.change_dir(&root);
    let cargo = |arguments: &[&str]| -> Result<Option<String>> {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let cargo = Command::from(cmd!(shell, "{program} {arguments...}"));
        let status = process::show(cargo, "cargo", STEP)?;
        if status.success() {
            Ok(None)
        } else {
            Err(usage(format!(
                "cargo {} ended with {status}",
                arguments.join(" ")
            )))
        }
    };
    step("format", &mut || cargo(&["fmt", "--all", "--check"]))?;
    step("lints", &mut || {
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny",
            "warnings",
        ])
    })?;
    step("unit and integration tests", &mut || {
        cargo(&["test", "--workspace", "--locked"])
    })?;
    let nix = Nix::find(&root, options.nixpkgs.nixpkgs.clone());
    step("nix flake check", &mut || match &nix {
        Ok(nix) => reachable(nix)?.map_or_else(
            || {
                let check = Check {
                    nixpkgs: options.nixpkgs.clone(),
                    no_build: false,
                };
                super::check::run(&check).map(|()| None)
            },
            |reason| Ok(Some(reason)),
        ),
        Err(error) => Ok(Some(error.to_string())),
    })?;
    step("promises on the stand-in guest", &mut || {
        promises(options, GuestChoice::Standin)
    })?;
    step("promises on NixOS", &mut || match &nix {
        Ok(nix) => match reachable(nix)? {
            Some(reason) => Ok(Some(reason)),
            None => match nixos::realisable(nix)? {
                Some(reason) => Ok(Some(reason.0)),
                None => promises(options, GuestChoice::Nixos),
            },
        },
        Err(error) => Ok(Some(error.to_string())),
    })?;
    conclude(&steps)
}

/// Why the flake's nixpkgs cannot be had here, if so. Without it nothing evaluates, and nothing is to blame for it.
fn reachable(nix: &Nix) -> Result<Option<String>> {
    Ok(nix.nixpkgs_unreachable()?.map(|reason| reason.0))
}

fn promises(options: &Ci, guest: GuestChoice) -> Result<Option<String>> {
    // Faults too, where that does not take the better part of an hour.
    let quick = accel::probe(&project::cache()?)? == Accelerator::Kvm;
    super::test::run(&Test {
        guest,
        fault: quick || guest == GuestChoice::Standin,
        nixpkgs: options.nixpkgs.clone(),
        ..Test::default()
    })
    .map(|()| None)
}

fn conclude(steps: &[(&str, Outcome, f64)]) -> Result<()> {
    tell!("\n== summary");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, outcome, seconds) in steps {
        let told = match outcome {
            Outcome::Passed => {
                passed += 1;
                "passed".to_string()
            }
            Outcome::Failed(error) => {
                failed += 1;
                format!("FAILED: {}", crate::error::one_line(error))
            }
            Outcome::Skipped(reason) => {
                skipped += 1;
                format!("skipped: {reason}")
            }
        };
        tell!("{name:<32} {seconds:7.1} s  {told}");
    }
    tell!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 {
        Ok(())
    } else {
        Err(Broken.into())
    }
}
