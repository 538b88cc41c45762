//! `ci`: everything that a change has to pass, as the pull-request workflow and the maintainer run it.

mod steps;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, anyhow};
use xshell::{Shell, cmd};

use self::steps::{StepResult, Steps};
use crate::cli::{Ci, GuestChoice, Test};
use crate::disk_fixtures::DiskSetup;
use crate::exit::Exit;
use crate::nix::Nix;
use crate::ollama_image::NO_REAL_OLLAMA;
use crate::outcome::{Report, Verdict};
use crate::packages::{self, need};
use crate::release::signature;
use crate::scenario::{SCENARIOS, Scenario, promises_of};
use crate::test_env::auto;
use crate::variant::{self, Variant};
use crate::{guest, project};
use vm::accel::{self, Accelerator};
use vm::process;

/// Deadline of one step: compiling everything on two cores takes longest.
const STEP: Duration = Duration::from_secs(1800);

/// How many variants run with KVM. Under emulation none does.
const VARIANTS: usize = 2;
/// The scenarios that take longest for their few promises: they run with KVM only.
const LONGEST: &[&str] = &["gpu", "causes", "faults", "layout-1"];
/// Takes minutes under emulation, and is the same for every owner and on both guests: then only the stand-in runs it.
const HEALTH: &str = "health";

/// The variant whose owner gets updates, and the scenario about them that CI has time for.
const UPDATING: &str = "updates";
const UPDATE: &str = "update";

/// Linters that run where they are installed: name of the step, program, arguments.
const LINTERS: &[(&str, &str, &[&str])] = &[
    ("shellcheck", "shellcheck", &[]),
    ("alejandra", "alejandra", &["--check", "--quiet", "."]),
    ("deadnix", "deadnix", &["--fail", "."]),
    ("cargo-deny", "cargo-deny", &["check"]),
    ("zizmor", "zizmor", &["--offline", ".github/workflows"]),
    ("actionlint", "actionlint", &[]),
];
/// The programs of [`LINTERS`] that are not installed.
pub fn missing_linters() -> Vec<&'static str> {
    let programs = LINTERS.iter().map(|(_, program, _)| *program);
    programs.filter(|program| !packages::has(program)).collect()
}

/// Folders with shell scripts, which shellcheck gets by name.
const SCRIPTS: &[&str] = &["modules", "xtask/src/guest/standin"];

pub fn run(options: &Ci) -> Result<Exit> {
    let mut needs = guest::needs(None);
    // Without --yes a missing shellcheck is only a skipped step, and without gpg a few tests are ignored.
    if options.consent.yes {
        needs.push(need("shellcheck", "shellcheck"));
        needs.extend(signature::NEEDS);
    }
    packages::ensure(options.consent.yes, &needs)?;
    let root = project::root()?;
    let mut steps = Steps::default();
    let shell = Shell::new()?;
    shell.change_dir(&root);
    let cargo = |arguments: &[&str]| {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let cargo = cmd!(shell, "{program} {arguments...}");
        own_check(cargo.into(), &format!("cargo {}", arguments.join(" ")))
    };
    steps.run("format", || cargo(&["fmt", "--all", "--check"]))?;
    steps.run("lints", || {
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
    for (name, program, arguments) in LINTERS {
        steps.run(name, || linter(&shell, &root, program, arguments))?;
    }
    steps.run("unit and integration tests", || {
        cargo(&["test", "--workspace", "--locked"])
    })?;
    let nix = Nix::find(&root, options.nixpkgs.nixpkgs.clone());
    steps.run("nix flake check", || match usable(&nix)? {
        Ok(nix) => super::check::flake(nix, &root, true).map(StepResult::from),
        Err(reason) => Ok(StepResult::Skipped(reason)),
    })?;
    let fast = accel::probe(&project::cache()?)? == Accelerator::Kvm;
    let nixos = auto(&root, &options.nixpkgs);
    let tested = matches!(nixos, Ok(Ok(_)));
    let on_standin = |scenario: &Scenario| fast || emulated_on_standin(scenario, tested);
    steps.run("promises on the stand-in guest", || {
        promises(options, GuestChoice::Standin, scenarios(on_standin), None)
    })?;
    if !fast {
        let later = scenarios(|scenario| !on_standin(scenario));
        steps.run("more promises on the stand-in", || too_slow(later))?;
    }
    match variant::all(&root) {
        Ok(all) => {
            let (now, later) = variants(&all, fast);
            for variant in now {
                let once = scenarios(boots_once);
                steps.run("a variant on the stand-in guest", || {
                    promises(options, GuestChoice::Standin, once, Some(variant))
                })?;
            }
            if !later.is_empty() {
                let names = later.iter().map(|variant| variant.name.clone()).collect();
                steps.run("variants on the stand-in guest", || too_slow(names))?;
            }
        }
        Err(error) => steps.run("a variant on the stand-in guest", || Err(error))?,
    }
    // NixOS boots in one to three minutes under emulation; all scenarios together need 15 boots.
    let now = |scenario: &Scenario| fast || boots_once(scenario);
    let updating = variant::chosen(&root, UPDATING)?.pop();
    let on_nixos = |wanted: &dyn Fn(&Scenario) -> bool, variant: Option<&Variant>| match &nixos {
        Ok(Ok(_)) => promises(options, GuestChoice::Nixos, scenarios(wanted), variant),
        Ok(Err(reason)) => Ok(StepResult::Skipped(reason.clone())),
        Err(error) => Err(anyhow!("{error:#}")),
    };
    if fast {
        steps.run("promises on NixOS", || on_nixos(&now, None))?;
        steps.run("updates of NixOS", || {
            on_nixos(&Scenario::updates, updating.as_ref())
        })?;
    } else {
        // One image less to build: that of an owner who has switched updates on.
        steps.run("promises on NixOS, with updates", || {
            let wanted = |scenario: &Scenario| now(scenario) || scenario.name == UPDATE;
            on_nixos(&wanted, updating.as_ref())
        })?;
    }
    if !fast {
        let later = scenarios(|scenario| !now(scenario) && scenario.name != UPDATE);
        steps.run("more promises on NixOS", || too_slow(later))?;
    }
    if options.ollama.ollama.is_none() {
        steps.run("promises of a real Ollama", || {
            let real = SCENARIOS.iter().filter(|scenario| scenario.real_ollama);
            let promises = promises_of(&real.collect::<Vec<_>>());
            let ids: Vec<&str> = promises.iter().map(|promise| promise.id).collect();
            let reason = format!("{NO_REAL_OLLAMA}: {}", ids.join(", "));
            Ok(StepResult::Skipped(reason))
        })?;
    }
    Ok(steps.conclude())
}

/// Runs a check of the project itself, with its output on the terminal.
fn own_check(command: Command, what: &str) -> Result<StepResult> {
    let status = process::show(command, what, STEP)?;
    Ok(if status.success() {
        StepResult::Passed
    } else {
        let failed = anyhow!("`{what}` ended with {status}");
        StepResult::Failed(Exit::CheckFailed, failed)
    })
}

fn linter(shell: &Shell, root: &Path, program: &str, arguments: &[&str]) -> Result<StepResult> {
    if !packages::has(program) {
        return Ok(StepResult::Skipped(format!("no {program} on the PATH")));
    }
    let scripts = match program {
        "shellcheck" => scripts(root)?,
        _ => Vec::new(),
    };
    let linter = cmd!(shell, "{program} {arguments...} {scripts...}");
    own_check(linter.into(), program)
}

/// The shell scripts of the project, from `root`.
fn scripts(root: &Path) -> Result<Vec<String>> {
    let mut scripts = Vec::new();
    for folder in SCRIPTS {
        for entry in std::fs::read_dir(root.join(folder))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".sh") {
                scripts.push(format!("{folder}/{name}"));
            }
        }
    }
    scripts.sort();
    Ok(scripts)
}

/// Nix, if it and the flake's nixpkgs are there; else the reason why a step is skipped.
fn usable(nix: &Result<Nix>) -> Result<Result<&Nix, String>> {
    match nix {
        Ok(nix) => Ok(match nix.nixpkgs_unreachable()? {
            None => Ok(nix),
            Some(reason) => Err(reason.0),
        }),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// Skips what takes too long under emulation, by `names`.
fn too_slow(names: Vec<String>) -> Result<StepResult> {
    let names = names.join(", ");
    let reason = format!("too slow without KVM, which pull requests have: {names}");
    Ok(StepResult::Skipped(reason))
}

/// The first few of `all` variants: those that run on this host, and those that only a `fast` one runs. All of them, on both
/// guests, run nightly.
fn variants<T>(all: &[T], fast: bool) -> (&[T], &[T]) {
    let with_kvm = &all[..all.len().min(VARIANTS)];
    with_kvm.split_at(if fast { with_kvm.len() } else { 0 })
}

/// The names of the scenarios that are `wanted`.
fn scenarios(wanted: impl Fn(&Scenario) -> bool) -> Vec<String> {
    let wanted = SCENARIOS.iter().filter(|scenario| wanted(scenario));
    wanted.map(|scenario| scenario.name.to_string()).collect()
}

/// The scenarios that share one machine, which has all disks and boots once; except long ones.
fn boots_once(scenario: &Scenario) -> bool {
    let long = scenario.name == HEALTH || LONGEST.contains(&scenario.name);
    scenario.disks == DiskSetup::Complete && scenario.boots == 1 && !long
}

/// Whether the stand-in runs this scenario without KVM: where NixOS is tested as well, not what NixOS then runs.
fn emulated_on_standin(scenario: &Scenario, nixos_tested: bool) -> bool {
    !(LONGEST.contains(&scenario.name) || nixos_tested && boots_once(scenario))
}

fn promises(
    options: &Ci,
    guest: GuestChoice,
    scenarios: Vec<String>,
    variant: Option<&Variant>,
) -> Result<StepResult> {
    let test = Test {
        scenarios,
        guest,
        nixpkgs: options.nixpkgs.clone(),
        ollama: options.ollama.clone(),
        ..Test::default()
    };
    Ok(judged(&super::test::report_on(&test, variant)?))
}

/// What a run of the promises means for its step.
fn judged(report: &Report) -> StepResult {
    match report.verdict {
        Verdict::Pass | Verdict::NotApplicable => StepResult::Passed,
        Verdict::Fail => {
            StepResult::Failed(Exit::PromiseBroken, anyhow!("{}", report.tally_line()))
        }
        Verdict::Skip | Verdict::Unavailable => {
            StepResult::Failed(Exit::NotRun, anyhow!("{}", report.unchecked()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_kvm_fewer_variants_run_and_the_others_are_named() {
        let none: &[&str] = &[];
        let all = ["a", "b", "c"];
        assert_eq!(variants(&all, true), (&all[..2], none));
        assert_eq!(variants(&all, false), (none, &all[..2]));
        assert_eq!(variants(&all[..1], false), (none, &all[..1]));
        assert_eq!(variants(none, false), (none, none));
        let Ok(StepResult::Skipped(reason)) = too_slow(vec!["b".into(), "c".into()]) else {
            panic!("it is not skipped");
        };
        assert_eq!(
            reason,
            "too slow without KVM, which pull requests have: b, c"
        );
    }

    #[test]
    fn without_kvm_each_scenario_but_the_longest_runs_on_one_guest_at_least() {
        for scenario in SCENARIOS {
            let longest = LONGEST.contains(&scenario.name);
            let alone = emulated_on_standin(scenario, false);
            assert_eq!(alone, !longest, "{}", scenario.name);
            let on_nixos = boots_once(scenario);
            let shared = emulated_on_standin(scenario, true);
            assert_eq!(shared ^ on_nixos, !longest, "{}", scenario.name);
        }
        for name in LONGEST {
            assert!(crate::scenario::scenario(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_scripts_of_the_project_are_found() {
        let scripts = scripts(&project::root().unwrap()).unwrap();
        assert!(scripts.contains(&"modules/stick.sh".to_string()));
        assert!(scripts.contains(&"xtask/src/guest/standin/init.sh".to_string()));
    }
}
