//! Boots a machine and judges promises on it.

use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use vm::process;
use vm::{Ended, HostError, Interrupted, Machine, NoLogin, NoShell};

use super::{Context, Finding, Promise, Scenario, has_nvidia, promises_of};
use crate::contract::Contract;
use crate::error::Usage;
use crate::outcome::{PromiseOutcome, ScenarioOutcome, Verdict};
use crate::test_machine::TestMachine;

/// Follows what happens on a machine, for progress output and for evidence.
pub trait Observer: Sync {
    fn booting(&self, machine: &str);
    fn booted(&self, machine: &str, took: Duration);
    fn judged(&self, outcome: &PromiseOutcome);
    /// A check begins.
    fn judging(&self, _: &Promise) {}
    /// The promise just judged did not pass; the machine is as the check left it.
    fn not_kept(&self, _: &mut Machine, _: &PromiseOutcome) {}
}

/// Ignores everything.
pub struct Quiet;

impl Observer for Quiet {
    fn booting(&self, _: &str) {}
    fn booted(&self, _: &str, _: Duration) {}
    fn judged(&self, _: &PromiseOutcome) {}
}

/// Time from power on to the login, or why there was no login.
pub type Boot = std::result::Result<Duration, NoLogin>;

/// Switches `machine` on, and waits for the login.
///
/// # Errors
/// The run cannot go on: Ctrl-C, QEMU has ended, or QEMU refused its configuration.
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

/// Judges each of `promises`, which are in the order of [`PROMISES`](super::PROMISES), on the machine of `cx`, which came up
/// as `boot` says. Returns one outcome per scenario.
///
/// # Errors
/// As [`switch_on`], and a user's error.
pub fn judge_all(
    promises: &[&'static Promise],
    boot: &Boot,
    mut cx: Context,
    observer: &dyn Observer,
) -> Result<Vec<ScenarioOutcome>> {
    cx.boot = boot.as_ref().ok().copied();
    judge_on(
        &mut BootedMachine { cx, observer },
        promises,
        boot,
        observer,
    )
}

/// The outcome of a scenario for which the run lacks something: each promise has the `reason`, unless it does not apply.
pub fn unavailable(scenario: &Scenario, contract: &Contract, reason: &str) -> ScenarioOutcome {
    let promises = promises_of(&[scenario]).into_iter().map(|promise| {
        let (verdict, evidence) = match promise.applies.reason_not(contract, || None) {
            Some(reason) => (Verdict::NotApplicable, reason),
            None => (Verdict::Unavailable, reason.to_string()),
        };
        outcome(promise, verdict, evidence, Instant::now())
    });
    ScenarioOutcome {
        name: scenario.name.into(),
        seconds: 0.0,
        promises: promises.collect(),
    }
}

/// Where promises are checked: a machine or, in tests, a script.
trait Subject {
    /// Why `promise` does not apply to the machine or its configuration; `None` if it does.
    fn not_applicable(&mut self, promise: &Promise) -> Option<String>;
    fn check(&mut self, promise: &Promise) -> Result<Finding>;
    /// Turns `error` into the one that is behind it.
    fn blame(&mut self, error: Error) -> Error;
    /// The promise did not pass.
    fn not_kept(&mut self, outcome: &PromiseOutcome);

    /// # Errors
    /// Ctrl-C was pressed.
    fn check_interrupt(&self) -> Result<()> {
        process::check_interrupt()
    }
}

struct BootedMachine<'a> {
    cx: Context<'a>,
    observer: &'a dyn Observer,
}

impl Subject for BootedMachine<'_> {
    fn not_applicable(&mut self, promise: &Promise) -> Option<String> {
        let contract = self.cx.contract;
        // A machine that did not boot has no answer. Its promises say so themselves.
        let has_gpu = || self.cx.boot.and_then(|_| has_nvidia(&mut self.cx).ok());
        promise.applies.reason_not(contract, has_gpu)
    }

    fn check(&mut self, promise: &Promise) -> Result<Finding> {
        (promise.check)(&mut self.cx)
    }

    fn blame(&mut self, error: Error) -> Error {
        self.cx.machine.blame(error)
    }

    fn not_kept(&mut self, outcome: &PromiseOutcome) {
        self.observer.not_kept(self.cx.machine, outcome);
    }
}

fn judge_on(
    subject: &mut dyn Subject,
    promises: &[&'static Promise],
    boot: &Boot,
    observer: &dyn Observer,
) -> Result<Vec<ScenarioOutcome>> {
    let mut scenarios = Vec::new();
    for group in promises.chunk_by(|one, next| one.scenario == next.scenario) {
        let start = Instant::now();
        let mut outcomes = Vec::new();
        for &promise in group {
            observer.judging(promise);
            let first = scenarios.is_empty() && outcomes.is_empty();
            let outcome = match (subject.not_applicable(promise), boot) {
                (Some(reason), _) => {
                    outcome(promise, Verdict::NotApplicable, reason, Instant::now())
                }
                (None, Ok(_)) => judge(subject, promise)?,
                (None, Err(no_login)) => not_booted(promise, no_login, first),
            };
            observer.judged(&outcome);
            if outcome.verdict.is_open() {
                subject.not_kept(&outcome);
            }
            outcomes.push(outcome);
        }
        scenarios.push(ScenarioOutcome {
            name: group[0].scenario.into(),
            seconds: start.elapsed().as_secs_f64(),
            promises: outcomes,
        });
    }
    Ok(scenarios)
}

/// Without a login a promise about booting is broken, and nothing is known about the others. The evidence of the `first`
/// promise has the console's last lines; they need not be repeated.
fn not_booted(promise: &Promise, no_login: &NoLogin, first: bool) -> PromiseOutcome {
    let start = Instant::now();
    if promise.id.starts_with("boot.") {
        return outcome(promise, Verdict::Fail, no_login.to_string(), start);
    }
    let why = if first {
        no_login.to_string()
    } else {
        no_login.why.clone()
    };
    let evidence = format!("the machine did not boot: {why}");
    outcome(promise, Verdict::Skip, evidence, start)
}

fn judge(subject: &mut dyn Subject, promise: &Promise) -> Result<PromiseOutcome> {
    let start = Instant::now();
    let error = match subject.check(promise) {
        Ok(Finding::Kept(evidence)) => {
            return Ok(outcome(promise, Verdict::Pass, evidence, start));
        }
        Ok(Finding::Broken(evidence)) => {
            return Ok(outcome(promise, Verdict::Fail, evidence, start));
        }
        Err(error) => error,
    };
    subject.check_interrupt()?;
    let error = subject.blame(error);
    let of_the_run = error.is::<Usage>() || error.is::<HostError>() || error.is::<Interrupted>();
    if of_the_run || error.is::<Ended>() {
        return Err(error);
    }
    // Whether the owner's key logs in is a promise of its own; without a root shell nothing is known about the others. A
    // check that failed in any other way has not shown that its promise holds.
    let verdict = if error.is::<NoShell>() {
        Verdict::Skip
    } else {
        Verdict::Fail
    };
    Ok(PromiseOutcome {
        found: false,
        ..outcome(promise, verdict, format!("{error:#}"), start)
    })
}

fn outcome(
    promise: &Promise,
    verdict: Verdict,
    evidence: String,
    start: Instant,
) -> PromiseOutcome {
    PromiseOutcome {
        id: promise.id.into(),
        promise: promise.sentence.into(),
        verdict,
        evidence,
        found: matches!(verdict, Verdict::Pass | Verdict::Fail),
        seconds: start.elapsed().as_secs_f64(),
    }
}

#[cfg(test)]
mod tests;
