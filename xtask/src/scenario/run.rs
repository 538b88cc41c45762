//! Runs scenarios on their machines.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Context, Finding, Promise, Scenario, promises_of};
use crate::contract::Contract;
use crate::disk_fixtures::DiskSetup;
use crate::error::Usage;
use crate::outcome::{PromiseOutcome, ScenarioOutcome, Verdict};
use crate::test_machine::TestMachine;
use vm::process::check_interrupt;
use vm::ssh::Key;
use vm::{Ended, HostError, Interrupted, Machine, NoLogin, NoShell};

/// Scenarios that share one machine.
#[derive(Clone)]
pub struct Lane {
    /// What its machine is called in logs.
    pub name: String,
    pub drives: DiskSetup,
    pub scenarios: Vec<&'static Scenario>,
    alone: bool,
}

impl Lane {
    /// One of its scenarios by itself, on a machine called `name`.
    pub fn only(&self, scenario: &'static Scenario, name: String) -> Lane {
        Lane {
            name,
            scenarios: vec![scenario],
            ..self.clone()
        }
    }

    /// How long it takes, in rough units: a boot is two of them, a promise one.
    fn length(&self) -> usize {
        let boots = self.scenarios.iter().map(|scenario| scenario.boots);
        2 * boots.max().unwrap_or_default() + promises_of(&self.scenarios).len()
    }
}

/// Which scenarios run, by machine.
pub struct Plan {
    pub lanes: Vec<Lane>,
}

impl Plan {
    /// One lane for each machine.
    pub fn new(scenarios: &[&'static Scenario]) -> Self {
        let mut lanes: Vec<Lane> = Vec::new();
        for &scenario in scenarios {
            let shared = lanes
                .iter_mut()
                .find(|lane| lane.drives == scenario.drives && !lane.alone && scenario.boots == 1);
            match shared {
                Some(lane) => lane.scenarios.push(scenario),
                None => lanes.push(Lane {
                    name: match scenario.drives {
                        DiskSetup::Complete if scenario.boots == 1 => "main".to_string(),
                        _ => scenario.name.to_string(),
                    },
                    drives: scenario.drives,
                    scenarios: vec![scenario],
                    alone: scenario.boots > 1,
                }),
            }
        }
        // The longest first, so that no core is left with one of them at the end.
        lanes.sort_by_key(|lane| std::cmp::Reverse(lane.length()));
        Plan { lanes }
    }
}

/// What happens while a lane runs, for whoever watches.
pub trait Observer: Sync {
    fn booting(&self, machine: &str);
    fn booted(&self, machine: &str, took: Duration);
    fn judged(&self, report: &PromiseOutcome);
    /// A check begins.
    fn judging(&self, _: &Promise) {}
    /// The promise just judged is not known to be kept; the machine is as the check left it.
    fn not_kept(&self, _: &mut Machine, _: &PromiseOutcome) {}
}

/// Nobody watches.
pub struct Quiet;

impl Observer for Quiet {
    fn booting(&self, _: &str) {}
    fn booted(&self, _: &str, _: Duration) {}
    fn judged(&self, _: &PromiseOutcome) {}
}

/// How long a machine took to its login, or why it did not get there.
pub type Boot = std::result::Result<Duration, NoLogin>;

/// Switches `machine` on.
///
/// # Errors
/// The run itself cannot go on: Ctrl-C, QEMU gone, QEMU's refusal.
pub fn switch_on(name: &str, machine: &mut TestMachine, observer: &dyn Observer) -> Result<Boot> {
    observer.booting(name);
    match machine.vm.boot() {
        Ok(took) => {
            observer.booted(name, took);
            Ok(Ok(took))
        }
        Err(error) => Ok(Err(error.downcast::<NoLogin>()?)),
    }
}

/// Keeps or breaks each of `promises`, which are in the order of [`PROMISES`](super::PROMISES), on a machine that was
/// switched on; a report for each of their scenarios.
///
/// # Errors
/// As [`switch_on`].
pub fn judge_all(
    promises: &[&'static Promise],
    boot: &Boot,
    machine: &mut TestMachine,
    contract: &Contract,
    stranger: &Key,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<Vec<ScenarioOutcome>> {
    let mut reports = Vec::new();
    let mut journey = None;
    for ours in promises.chunk_by(|one, next| one.scenario == next.scenario) {
        let start = Instant::now();
        let mut promises = Vec::new();
        for &promise in ours {
            observer.judging(promise);
            let report = match boot {
                Ok(took) => {
                    let mut cx = Context {
                        machine: &mut machine.vm,
                        disks: &mut machine.disks,
                        contract,
                        stranger,
                        folder: folder.to_path_buf(),
                        boot: Some(*took),
                        journey: &mut journey,
                    };
                    judge(promise, &mut cx)?
                }
                // Whether it boots is a promise of its own; about the others nothing is known.
                Err(why) if promise.id.starts_with("boot.") => {
                    report(promise, Verdict::Fail, why.to_string(), start)
                }
                Err(error) => {
                    // The console is shown once for all of them.
                    let first = reports.is_empty() && promises.is_empty();
                    let why = if first {
                        &error.to_string()
                    } else {
                        &error.why
                    };
                    let evidence = format!("the machine did not boot: {why}");
                    report(promise, Verdict::Skip, evidence, start)
                }
            };
            observer.judged(&report);
            if report.verdict != Verdict::Pass {
                observer.not_kept(&mut machine.vm, &report);
            }
            promises.push(report);
        }
        reports.push(ScenarioOutcome {
            name: ours[0].scenario.into(),
            seconds: start.elapsed().as_secs_f64(),
            promises,
        });
    }
    Ok(reports)
}

fn judge(promise: &Promise, cx: &mut Context) -> Result<PromiseOutcome> {
    let start = Instant::now();
    let (verdict, evidence, found) = match (promise.check)(cx) {
        Ok(Finding::Kept(evidence)) => (Verdict::Pass, evidence, true),
        Ok(Finding::Broken(evidence)) => (Verdict::Fail, evidence, true),
        Err(error) => {
            check_interrupt()?;
            let error = cx.machine.blame(error);
            if error.is::<Ended>()
                || error.is::<Usage>()
                || error.is::<HostError>()
                || error.is::<Interrupted>()
            {
                return Err(error);
            }
            // Whether the owner gets in is a promise of its own; the others are unknown then. Any other check that could
            // not be carried out has not found its promise kept.
            let verdict = if error.is::<NoShell>() {
                Verdict::Skip
            } else {
                Verdict::Fail
            };
            (verdict, format!("{error:#}"), false)
        }
    };
    Ok(PromiseOutcome {
        found,
        ..report(promise, verdict, evidence, start)
    })
}

fn report(promise: &Promise, verdict: Verdict, evidence: String, start: Instant) -> PromiseOutcome {
    PromiseOutcome {
        id: promise.id.into(),
        promise: promise.sentence.into(),
        verdict,
        evidence,
        found: verdict != Verdict::Skip,
        seconds: start.elapsed().as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::SCENARIOS;
    use super::*;

    #[test]
    fn scenarios_with_the_same_drives_share_a_machine() {
        let all: Vec<_> = SCENARIOS.iter().collect();
        let plan = Plan::new(&all);
        assert_eq!(plan.lanes.len(), 8);
        assert_eq!(plan.lanes[0].scenarios[0].name, "boot");
        assert_eq!(
            plan.lanes
                .iter()
                .map(|lane| lane.scenarios.len())
                .sum::<usize>(),
            SCENARIOS.len()
        );
    }
}
