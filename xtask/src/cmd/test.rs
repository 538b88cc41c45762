//! `test`: boot the appliance and check its promises.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::Local;

use super::doctor::write;
use crate::cli::{GuestChoice, Test};
use crate::contract::Contract;
use crate::error::{Broken, usage};
use crate::guest::{Guest, Kind, nixos, standin};
use crate::machine::qemu::Forwards;
use crate::machine::ssh::Key;
use crate::machine::workshop::{Drives, Workshop};
use crate::machine::{Machine, Parts, accel, boot_deadline, ollama_stub};
use crate::nix::Nix;
use crate::parallel::each;
use crate::report::{self, Report, ScenarioReport, Verdict, Watcher};
use crate::scenario::{Lane, Plan, SCENARIOS, Scenario, run_lane, scenario};
use crate::{packages, process, project, snapshot};

/// The user who is let in.
const USER: &str = "ollamalive";

pub fn run(options: &Test) -> Result<()> {
    if options.list {
        tell!("{}", report::list());
        return Ok(());
    }
    let scenarios = chosen(&options.scenarios)?;
    let watcher = Watcher::default();
    let (start, started) = (Instant::now(), Local::now());
    let cache = project::cache()?;
    let folder = project::run_folder(&cache)?;
    let bench = Bench::prepare(options, &cache, folder.path(), &watcher)?;
    bench.introduce();
    let plan = Plan::new(&scenarios);
    let jobs = options
        .jobs
        .map_or_else(|| bench.accelerator.machines_at_once(), usize::from);
    let outcome = run_lanes(&plan, &bench, folder.path(), &watcher, jobs, options.debug);
    if options.keep {
        tell!("kept: {}", folder.keep().display());
    }
    let (mut scenarios, boots) = outcome?;
    scenarios.sort_by_key(|report| {
        SCENARIOS
            .iter()
            .position(|scenario| scenario.name == report.name)
    });
    let report = Report {
        guest: bench.guest.kind.to_string(),
        accelerator: bench.accelerator.to_string(),
        nixpkgs: bench.nixpkgs.clone(),
        verdict: report::verdict(&scenarios),
        seconds: start.elapsed().as_secs_f64(),
        boots: boots.len(),
        boot_seconds: boots.iter().map(Duration::as_secs_f64).sum(),
        scenarios,
    };
    tell!("{}", report::summary(&report));
    if let Some(file) = &options.json {
        write(file, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(file) = &options.junit {
        write(file, &report::junit(&report, started.fixed_offset())?)?;
    }
    match report.verdict {
        Verdict::Pass => Ok(()),
        Verdict::Fail => Err(Broken.into()),
        Verdict::Skip => Err(usage(format!(
            "{} promises were not checked",
            report.count(Verdict::Skip)
        ))),
    }
}

/// The scenarios that were asked for, or all.
fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    for name in names {
        if scenario(name).is_none() {
            let nearest = SCENARIOS
                .iter()
                .max_by(|a, b| {
                    strsim::jaro_winkler(a.name, name)
                        .total_cmp(&strsim::jaro_winkler(b.name, name))
                })
                .map_or("", |scenario| scenario.name);
            return Err(usage(format!(
                "there is no scenario {name:?}; did you mean {nearest:?}? (--list shows all)"
            )));
        }
    }
    Ok(SCENARIOS
        .iter()
        .filter(|scenario| names.iter().any(|name| name == scenario.name))
        .collect())
}

/// Everything that machines are made of, made once.
#[derive(Clone)]
pub struct Bench {
    pub guest: Guest,
    pub contract: Contract,
    pub nixpkgs: String,
    pub accelerator: accel::Accelerator,
    pub owner: Key,
    pub stranger: Key,
    stub: PathBuf,
}

impl Bench {
    /// Chooses the guest, makes it ready, and makes keys.
    pub fn prepare(options: &Test, cache: &Path, folder: &Path, watcher: &Watcher) -> Result<Self> {
        let root = project::root()?;
        let nix = choose(options, &root, watcher)?;
        let kind = if nix.is_some() {
            Kind::Nixos
        } else {
            Kind::Standin
        };
        packages::ensure(options.consent.yes, Some(kind))?;
        let accelerator = accel::probe(cache)?;
        let (guest, contract, nixpkgs) = match &nix {
            Some(nix) => {
                watcher.say("evaluating the configuration");
                let contract = serde_json::from_value(nix.contract()?)
                    .context("tests/contract.nix and the harness differ")?;
                watcher.say("building the image");
                (nixos::prepare(nix)?, contract, nix.nixpkgs().to_string())
            }
            None => {
                let record = options
                    .snapshots
                    .clone()
                    .unwrap_or_else(|| snapshot::folder(&root));
                if options.snapshots.is_none() {
                    snapshot::require_fresh(&record, &root)?;
                }
                let contract = snapshot::load(&record)?;
                let guest =
                    standin::prepare(&contract, cache, folder, &mut |text| watcher.say(text))?;
                (
                    guest,
                    contract,
                    format!("the record in {}", record.display()),
                )
            }
        };
        let stub = ollama_stub::archive(&contract.ollama.image, cache)?;
        Ok(Bench {
            guest,
            contract,
            nixpkgs,
            accelerator,
            owner: Key::generate(folder, "owner")?,
            stranger: Key::generate(folder, "stranger")?,
            stub,
        })
    }

    /// Tells which guest it is, and how its processor is made.
    pub fn introduce(&self) {
        tell!(
            "guest {}; accelerator {}",
            self.guest.description,
            self.accelerator.explain()
        );
    }

    /// The same with another guest, and held to another contract.
    pub fn with(&self, guest: Guest, contract: Contract) -> Self {
        Bench {
            guest,
            contract,
            ..self.clone()
        }
    }

    /// A machine with its own disks in `folder`, switched off.
    pub fn machine(
        &self,
        drives: Drives,
        folder: PathBuf,
        host_ports: (u16, u16),
    ) -> Result<Machine> {
        let workshop = Workshop {
            image: self.guest.image.clone(),
            persist: self.contract.persist.label.clone(),
            models: self.contract.models.drive.clone(),
            owner: self.owner.clone(),
            user: USER.to_string(),
            ollama: self.stub.clone(),
        };
        let (stick, disks) = workshop.equip(drives, &folder)?;
        let ssh = self.contract.ssh.ports.first().copied().unwrap_or(22);
        let parts = Parts {
            guest: self.guest.clone(),
            stick,
            disks,
            workshop,
            accelerator: self.accelerator.clone(),
            forwards: Forwards {
                ssh: (host_ports.0, ssh),
                ollama: (host_ports.1, self.contract.ollama.port),
            },
            owner: self.owner.clone(),
            user: USER.to_string(),
            deadline: boot_deadline(self.guest.kind, &self.accelerator),
        };
        Machine::new(parts, folder)
    }
}

/// Nix when the nixos guest is to run, nothing when the stand-in is; says why where it had the choice.
fn choose(options: &Test, root: &Path, watcher: &Watcher) -> Result<Option<Nix>> {
    let find = || Nix::find(root, options.nixpkgs.nixpkgs.clone());
    match options.guest {
        GuestChoice::Standin => Ok(None),
        GuestChoice::Nixos if options.snapshots.is_some() => Err(usage(
            "--snapshots is for the stand-in guest: leave it out, or use --guest standin",
        )),
        GuestChoice::Nixos => {
            let nix = find()?;
            match nixos::realisable(&nix)? {
                None => Ok(Some(nix)),
                Some(reason) => Err(usage(format!(
                    "Nix cannot build the image here: {}; use --guest standin",
                    reason.0
                ))),
            }
        }
        GuestChoice::Auto if options.snapshots.is_some() => Ok(None),
        GuestChoice::Auto => {
            let Ok(nix) = find() else {
                watcher.say("guest standin: Nix is not installed");
                return Ok(None);
            };
            // Without nixpkgs nothing can even be evaluated.
            let hindrance = match nix.nixpkgs_unreachable()? {
                None => nixos::realisable(&nix)?,
                unreachable => unreachable,
            };
            match hindrance {
                None => Ok(Some(nix)),
                Some(reason) => {
                    watcher.say(&format!("guest standin: {}", reason.0));
                    Ok(None)
                }
            }
        }
    }
}

type Outcome = (Vec<ScenarioReport>, Vec<Duration>);

/// Runs every lane on a machine of its own, `jobs` of them at the same time.
fn run_lanes(
    plan: &Plan,
    bench: &Bench,
    folder: &Path,
    watcher: &Watcher,
    jobs: usize,
    debug: bool,
) -> Result<Outcome> {
    let lanes = each(&plan.lanes, jobs, |lane| {
        run_one(lane, bench, &folder.join(lane.name), watcher, debug)
    })?;
    let mut all = Outcome::default();
    for (reports, boots) in lanes {
        all.0.extend(reports);
        all.1.extend(boots);
    }
    Ok(all)
}

fn run_one(
    lane: &Lane,
    bench: &Bench,
    folder: &Path,
    watcher: &Watcher,
    debug: bool,
) -> Result<Outcome> {
    let mut machine = bench.machine(lane.drives, folder.to_path_buf(), (0, 0))?;
    let reports = run_lane(
        lane,
        &mut machine,
        &bench.contract,
        &bench.stranger,
        folder,
        watcher,
    )?;
    let any = |verdict| {
        let mut promises = reports.iter().flat_map(|report| &report.promises);
        promises.any(|promise| promise.verdict == verdict)
    };
    // A promise is skipped where its machine did not boot: whoever wants to know why needs the logs most.
    if any(Verdict::Fail) || any(Verdict::Skip) {
        keep_logs(&machine, lane.name, watcher)?;
    }
    if any(Verdict::Fail) && debug {
        watcher.say(&format!(
            "a promise is broken, machine {} stays up until Ctrl-C:\n{}",
            lane.name,
            machine.how_to_reach()?
        ));
        // Ctrl-C is how this ends; the report is still owed.
        let _ = machine.wait_until_off();
        process::forget_interrupt();
    }
    Ok((reports, machine.boots.clone()))
}

/// Puts the machine's logs where they outlive the run.
fn keep_logs(machine: &Machine, name: &str, watcher: &Watcher) -> Result<()> {
    let kept = project::cache()?.join("last-failure").join(name);
    fs::create_dir_all(&kept)?;
    for log in ["console.log", "qemu.log", "qemu.command"] {
        let from = machine.folder.join(log);
        if from.exists() {
            fs::copy(&from, kept.join(log))?;
        }
    }
    watcher.say(&format!(
        "console, QEMU's messages and its command line are in {}",
        kept.display()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scenario_names_the_nearest() {
        let error = chosen(&["firewal".to_string()]).err().unwrap().to_string();
        assert!(
            error.contains(r#"no scenario "firewal"; did you mean "firewall"?"#),
            "{error}"
        );
        assert_eq!(chosen(&["ssh".to_string()]).unwrap().len(), 1);
        assert_eq!(chosen(&[]).unwrap().len(), SCENARIOS.len());
    }
}
