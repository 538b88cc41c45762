//! `test`: boot the appliance and check its promises.

mod lanes;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::Local;

use self::lanes::Lanes;
use super::doctor::{require_writable, write};
use crate::cli::{Consent, GuestChoice, Nixpkgs, Test};
use crate::contract::Contract;
use crate::error::{Broken, usage};
use crate::guest::{Guest, Kind, nixos, standin};
use crate::machine::qemu::Forwards;
use crate::machine::ssh::Key;
use crate::machine::workshop::{Drives, Workshop};
use crate::machine::{Machine, Parts, accel, boot_deadline, ollama_stub};
use crate::nix::Nix;
use crate::release::git::Git;
use crate::report::{self, Report, Verdict, Watcher};
use crate::scenario::{Plan, SCENARIOS, Scenario, scenario};
use crate::{packages, project, snapshot};

/// The user who is let in.
const USER: &str = "ollamalive";

pub fn run(options: &Test) -> Result<()> {
    if options.list {
        tell!("{}", report::list());
        return Ok(());
    }
    let scenarios = if options.rerun {
        failed_last(options)?
    } else {
        chosen(&options.scenarios, options.fault)?
    };
    for file in [&options.json, &options.junit, &options.html]
        .into_iter()
        .flatten()
    {
        require_writable(file)?;
    }
    let watcher = Watcher::default();
    let (start, started) = (Instant::now(), Local::now());
    let git = Git::at(&project::root()?);
    let commit = git.state();
    let cache = project::cache()?;
    let folder = project::run_folder(&cache)?;
    let bench = Bench::prepare(options, &cache, folder.path(), &watcher)?;
    bench.introduce();
    let lanes = Lanes {
        bench: &bench,
        folder: folder.path(),
        watcher: &watcher,
        kept: cache.join("last-failure"),
        jobs: options
            .jobs
            .map_or_else(|| bench.accelerator.machines_at_once(), usize::from),
        times: options.multiply.map_or(1, usize::from),
        debug: options.debug,
        keep_disks: options.keep,
    };
    let outcome = lanes.run(&Plan::new(&scenarios));
    if options.keep {
        tell!("kept: {}", folder.keep().display());
    }
    let mut outcome = outcome?;
    outcome.scenarios.sort_by_key(|report| {
        SCENARIOS
            .iter()
            .position(|scenario| scenario.name == report.name)
    });
    let report = Report {
        guest: bench.guest.kind.to_string(),
        accelerator: bench.accelerator.to_string(),
        nixpkgs: bench.nixpkgs.clone(),
        commit: git.state_since(commit),
        verdict: report::verdict(&outcome.scenarios),
        seconds: start.elapsed().as_secs_f64(),
        boots: outcome.boots.len(),
        boot_seconds: outcome.boots.iter().sum::<Duration>().as_secs_f64(),
        scenarios: outcome.scenarios,
        tallies: outcome.tallies,
        failures: outcome.failures,
    };
    report::remember(&cache, &report)?;
    tell!("{}", report::summary(&report));
    if let Some(file) = &options.json {
        write(file, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(file) = &options.junit {
        write(file, &report::junit(&report, started.fixed_offset())?)?;
    }
    if let Some(file) = &options.html {
        write(file, &report::html(&report))?;
    }
    report::publish(&report, |name| std::env::var(name).ok())?;
    match report.verdict {
        Verdict::Pass => Ok(()),
        Verdict::Fail => Err(Broken.into()),
        Verdict::Skip => Err(usage(format!(
            "{} promises were not checked",
            report.count(Verdict::Skip)
        ))),
    }
}

/// The scenarios of the promises that failed last, on the guest that is asked for or on any.
fn failed_last(options: &Test) -> Result<Vec<&'static Scenario>> {
    let guest = match options.guest {
        GuestChoice::Auto => None,
        GuestChoice::Standin => Some(Kind::Standin.to_string()),
        GuestChoice::Nixos => Some(Kind::Nixos.to_string()),
    };
    let failed = report::failed_last(&project::cache()?, guest.as_deref());
    if failed.is_empty() {
        return Err(usage(
            "no promise failed when it was last checked: leave --rerun out to check them all",
        ));
    }
    let ids: Vec<&str> = failed.iter().map(|(_, id)| *id).collect();
    tell!("failed last: {}", ids.join(", "));
    let names: Vec<String> = failed.iter().map(|(name, _)| name.to_string()).collect();
    chosen(&names, false)
}

/// The scenarios that were asked for, or all; those that try faults only by name or with `fault`.
fn chosen(names: &[String], fault: bool) -> Result<Vec<&'static Scenario>> {
    let by_default = |scenario: &&Scenario| names.is_empty() && !scenario.fault;
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
        .filter(|scenario| {
            by_default(scenario)
                || fault && scenario.fault
                || names.iter().any(|name| name == scenario.name)
        })
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
        if let (Some(image), Some(contract)) = (&options.image, &options.contract) {
            packages::ensure(options.consent.yes, Some(Kind::Nixos))?;
            let contract = Contract::read(contract)?;
            let origin = image.display().to_string();
            return Self::furnish(nixos::ready(image)?, contract, origin, cache, folder);
        }
        let root = project::root()?;
        let nix = choose(options, &root, watcher)?;
        let kind = if nix.is_some() {
            Kind::Nixos
        } else {
            Kind::Standin
        };
        packages::ensure(options.consent.yes, Some(kind))?;
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
                let spinner = watcher.spinner("guest");
                let guest = standin::prepare(&contract, cache, folder, &mut |text| {
                    spinner.step(text.to_string());
                    watcher.say(text);
                })?;
                (
                    guest,
                    contract,
                    format!("the record in {}", record.display()),
                )
            }
        };
        Self::furnish(guest, contract, nixpkgs, cache, folder)
    }

    /// The same for a verb that only names its guest.
    pub fn of(
        guest: GuestChoice,
        nixpkgs: &Nixpkgs,
        consent: &Consent,
        cache: &Path,
        folder: &Path,
        watcher: &Watcher,
    ) -> Result<Self> {
        let test = Test {
            guest,
            nixpkgs: nixpkgs.clone(),
            consent: consent.clone(),
            ..Test::default()
        };
        Self::prepare(&test, cache, folder, watcher)
    }

    /// Everything else that a machine of `guest` needs.
    fn furnish(
        guest: Guest,
        contract: Contract,
        nixpkgs: String,
        cache: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let accelerator = accel::probe(cache)?;
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
            surroundings: drives.surroundings(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scenario_names_the_nearest() {
        let error = chosen(&["firewal".to_string()], false)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains(r#"no scenario "firewal"; did you mean "firewall"?"#),
            "{error}"
        );
        assert_eq!(chosen(&["ssh".to_string()], false).unwrap().len(), 1);
        assert_eq!(chosen(&["faults".to_string()], false).unwrap().len(), 1);
        assert_eq!(chosen(&["ssh".to_string()], true).unwrap().len(), 3);
        assert_eq!(chosen(&[], true).unwrap().len(), SCENARIOS.len());
        assert_eq!(chosen(&[], false).unwrap().len(), SCENARIOS.len() - 2);
    }
}
