//! Runs mutants on their machines. Those that can be told apart share one; mutants that are undecided there run again in
//! smaller groups, in the end alone, where the verdict is final.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::assignment::{Assignment, assign, control_assignments, uncovered};
use super::builder::Builder;
use crate::error::{one_line, usage};
use crate::mutant::{self, Mutant};
use crate::outcome::{BrokenPromise, KillVerdict, MutantOutcome, PromiseOutcome, Verdict};
use crate::parallel::{self, Queue};
use crate::report::ConsoleReporter;
use crate::scenario::{Context, Promise, Quiet, judge_all, switch_on};
use crate::test_env::TestEnv;
use vm::process;

/// The mutants of one machine.
pub type Batch = Vec<&'static Mutant>;

/// The work of one machine.
enum Task {
    Mutants(Batch),
    /// The unchanged configuration.
    Control(Assignment),
}

/// How mutants are run.
pub struct Runner<'a> {
    /// The environment without a defect.
    pub env: &'a TestEnv,
    pub builder: &'a Builder<'a>,
    /// Check only the promises that are expected to catch a mutant, and each once where no mutant breaks it.
    pub quick: bool,
    /// Holds the machines' disks and logs.
    pub folder: &'a Path,
    pub console: &'a ConsoleReporter,
    /// Number of machines so far.
    machines: AtomicUsize,
    /// The promises that were kept on some machine.
    kept: Mutex<BTreeSet<String>>,
    /// The promises that no machine without a mutant that breaks them is assigned to check yet.
    unchecked: Mutex<BTreeSet<&'static str>>,
}

/// The results of one machine.
struct MachineResults {
    promises: Vec<PromiseOutcome>,
    /// It got to a login.
    came_up: bool,
}

impl<'a> Runner<'a> {
    pub fn new(
        env: &'a TestEnv,
        builder: &'a Builder<'a>,
        quick: bool,
        folder: &'a Path,
        console: &'a ConsoleReporter,
    ) -> Self {
        Runner {
            env,
            builder,
            quick,
            folder,
            console,
            machines: AtomicUsize::new(0),
            kept: Mutex::default(),
            unchecked: Mutex::default(),
        }
    }

    /// Number of machines so far.
    pub fn machines(&self) -> usize {
        self.machines.load(Ordering::Relaxed)
    }

    /// Judges every mutant of `batches`, on `jobs` machines at a time.
    ///
    /// # Errors
    /// Ctrl-C, or a promise that is not kept without a defect either.
    pub fn run(&self, batches: Vec<Batch>, jobs: usize) -> Result<Vec<MutantOutcome>> {
        let wanted: BTreeSet<&str> = caught_by(batches.iter().flatten());
        *self
            .unchecked
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = wanted.clone();
        let uncovered = uncovered(&batches, wanted);
        let controls = control_assignments(|promise| uncovered.contains(promise.id));
        let tasks = controls
            .into_iter()
            .map(Task::Control)
            .chain(batches.into_iter().map(Task::Mutants));
        let outcomes = parallel::all(tasks, jobs, |task, queue| match task {
            Task::Mutants(batch) => self.batch(batch, queue),
            Task::Control(assignment) => self.unchanged(&assignment).map(|()| Vec::new()),
        })?;
        let outcomes: Vec<MutantOutcome> = outcomes.into_iter().flatten().collect();
        let ids = outcomes.iter().map(|outcome| outcome.expected.as_str());
        self.control(ids.collect(), jobs)?;
        Ok(outcomes)
    }

    /// Runs `batch`. Returns what is decided; the undecided mutants go to the end of the queue.
    fn batch(&self, batch: Batch, queue: &Queue<Task>) -> Result<Vec<MutantOutcome>> {
        let name = match &batch[..] {
            [one] => one.id.to_string(),
            [first, others @ ..] => format!("{} and {} more", first.id, others.len()),
            [] => return Ok(Vec::new()),
        };
        let spinner = self.console.spinner(&name);
        let start = Instant::now();
        let seen = self.machine(&batch);
        process::check_interrupt()?;
        drop(spinner);
        let seconds = start.elapsed().as_secs_f64();
        let judged = batch.iter().map(|one| judged(one, &batch, &seen, seconds));
        let (decided, open): (Vec<MutantOutcome>, Vec<MutantOutcome>) =
            judged.partition(|outcome| is_final(outcome.verdict, batch.len()));
        for outcome in &decided {
            self.console.say(&outcome.line());
        }
        let is_open = |mutant: &&Mutant| open.iter().any(|outcome| outcome.id == mutant.id);
        let again: Batch = batch.iter().copied().filter(is_open).collect();
        if !again.is_empty() {
            self.console.say(&undecided(&name, &open));
            if decided.is_empty() {
                // Before its parts are run: perhaps this host keeps no promise at all.
                self.control(again.iter().map(|one| one.caught_by).collect(), 1)?;
            }
            for batch in smaller(again, decided.is_empty()) {
                queue.add_last(Task::Mutants(batch));
            }
        }
        Ok(decided)
    }

    /// Boots a machine with all of `batch`, and checks the promises assigned to it.
    fn machine(&self, batch: &[&'static Mutant]) -> Result<MachineResults> {
        let number = self.machines.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("{}-{number}", batch[0].id));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let env = self.builder.build(batch, &folder);
        let mut unchecked = self
            .unchecked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let assignment = assign(batch, self.quick, &mut unchecked);
        drop(unchecked);
        let seen = env.and_then(|env| self.check(&assignment, &env, &folder));
        // If this fails, the folder goes at the end of the run.
        let _ = fs::remove_dir_all(&folder);
        seen
    }

    /// Boots the machine of the assignment, and checks its promises.
    fn check(
        &self,
        Assignment { job, promises }: &Assignment,
        env: &TestEnv,
        folder: &Path,
    ) -> Result<MachineResults> {
        let mut machine = env.machine(job.disks, folder.join(&job.name), (0, 0))?;
        let boot = switch_on(&job.name, &mut machine, &Quiet)?;
        let key = &env.unauthorized_key;
        let cx = Context::new(&mut machine, &env.contract, key, folder);
        let reports = judge_all(promises, &boot, cx, &Quiet)?;
        let promises: Vec<PromiseOutcome> = reports
            .into_iter()
            .flat_map(|report| report.promises)
            .collect();
        let kept = promises
            .iter()
            .filter(|promise| promise.verdict == Verdict::Pass);
        let mut known = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(kept.map(|promise| promise.id.clone()));
        Ok(MachineResults {
            promises,
            came_up: boot.is_ok(),
        })
    }

    /// A promise that was never seen kept catches nothing. So each of the promises `wanted` that was not kept on a machine
    /// with mutants is checked without any defect.
    ///
    /// # Errors
    /// It is not kept there either.
    fn control(&self, wanted: BTreeSet<&str>, jobs: usize) -> Result<()> {
        let known = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let unseen = |promise: &Promise| wanted.contains(promise.id) && !known.contains(promise.id);
        let assignments = control_assignments(unseen);
        drop(known);
        parallel::each(&assignments, jobs, |one| self.unchanged(one)).map(drop)
    }

    /// Boots the unchanged configuration on the machine of `assignment`, and checks its promises.
    ///
    /// # Errors
    /// A promise is not kept.
    fn unchanged(&self, assignment: &Assignment) -> Result<()> {
        let name = format!("{}, unchanged", assignment.job.name);
        let spinner = self.console.spinner(&name);
        let start = Instant::now();
        let number = self.machines.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("unchanged-{number}"));
        let seen = self.check(assignment, self.env, &folder)?;
        let _ = fs::remove_dir_all(&folder);
        process::check_interrupt()?;
        drop(spinner);
        let mut promises = seen.promises.iter();
        if let Some(promise) = promises.find(|promise| promise.verdict != Verdict::Pass) {
            return Err(usage(format!(
                "the unchanged configuration breaks {} ({}): make `cargo xtask test` pass before you run mutants",
                promise.id,
                promise.evidence.lines().next().unwrap_or_default()
            )));
        }
        let ids: Vec<&str> = seen
            .promises
            .iter()
            .map(|promise| promise.id.as_str())
            .collect();
        self.console.say(&format!(
            "unchanged configuration ({:.1} s) keeps {}",
            start.elapsed().as_secs_f64(),
            ids.join(", ")
        ));
        Ok(())
    }
}

/// The promises that are expected to catch `mutants`.
fn caught_by<'m>(mutants: impl Iterator<Item = &'m &'static Mutant>) -> BTreeSet<&'static str> {
    mutants.map(|mutant| mutant.caught_by).collect()
}

/// Whether a verdict from a machine with `mutants` mutants is final. A kill is, for its symptom proves it; anything else
/// may be the work of another mutant there, unless there was no other.
fn is_final(verdict: KillVerdict, mutants: usize) -> bool {
    mutants == 1 || verdict == KillVerdict::Killed
}

/// The outcome of a mutant, on a machine with `beside`, about which nothing is known yet.
pub fn not_run(mutant: &Mutant, beside: &[&Mutant], seconds: f64) -> MutantOutcome {
    MutantOutcome {
        id: mutant.id.to_string(),
        breaks: mutant.breaks.to_string(),
        expected: mutant.caught_by.to_string(),
        symptom: mutant.symptom.to_string(),
        beside: beside.iter().map(|other| other.id.to_string()).collect(),
        verdict: KillVerdict::NotRun,
        why: None,
        caught_by: Vec::new(),
        seconds,
    }
}

/// Judges `mutant`, one of `batch`, by the results of their machine.
fn judged(
    mutant: &'static Mutant,
    batch: &[&'static Mutant],
    results: &Result<MachineResults>,
    seconds: f64,
) -> MutantOutcome {
    let others = batch.iter().copied().filter(|other| other.id != mutant.id);
    let beside: Vec<&Mutant> = others.collect();
    let outcome = not_run(mutant, &beside, seconds);
    let MachineResults { promises, came_up } = match results {
        Ok(results) => results,
        Err(error) => {
            return MutantOutcome {
                why: Some(one_line(error)),
                ..outcome
            };
        }
    };
    let (verdict, why) = mutant::judge(mutant, &beside, promises.iter(), *came_up);
    let broken = promises
        .iter()
        .filter(|promise| promise.verdict == Verdict::Fail && promise.found)
        .filter(|promise| {
            let id = promise.id.as_str();
            beside.is_empty() || id == mutant.caught_by || mutant.also.contains(&id)
        });
    MutantOutcome {
        verdict,
        why,
        caught_by: broken.map(BrokenPromise::from).collect(),
        ..outcome
    }
}

/// The groups in which undecided mutants run again: without the decided ones, which may have hidden them; in two halves if
/// all of the machine were undecided.
fn smaller(mut again: Batch, all: bool) -> Vec<Batch> {
    if !all {
        return vec![again];
    }
    let half = again.split_off(again.len() / 2);
    vec![again, half]
}

/// One line about the undecided mutants of `machine`.
fn undecided(machine: &str, open: &[MutantOutcome]) -> String {
    let ids: Vec<&str> = open.iter().map(|outcome| outcome.id.as_str()).collect();
    let why = open.iter().find_map(|outcome| outcome.why.as_deref());
    format!(
        "undecided on the machine of {machine}, run again in smaller groups: {} ({})",
        ids.join(", "),
        why.and_then(|why| why.lines().next()).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undecided_mutants_run_again_in_smaller_groups() {
        for count in 2..6 {
            let open: Batch = mutant::all().take(count).collect();
            let ids = |batch: &Batch| batch.iter().map(|one| one.id).collect::<Vec<_>>();
            let rest = smaller(open.clone(), false);
            assert_eq!(rest.iter().map(ids).collect::<Vec<_>>(), [ids(&open)]);
            let halves = smaller(open.clone(), true);
            assert!(halves.iter().all(|half| (1..count).contains(&half.len())));
            assert_eq!(halves.iter().flat_map(ids).collect::<Vec<_>>(), ids(&open));
        }
    }

    fn named(id: &str) -> &'static Mutant {
        mutant::all().find(|mutant| mutant.id == id).unwrap()
    }

    fn promise(id: &str, verdict: Verdict, evidence: &str) -> PromiseOutcome {
        PromiseOutcome {
            id: id.to_string(),
            promise: String::new(),
            verdict,
            evidence: evidence.to_string(),
            found: true,
            seconds: 0.0,
        }
    }

    #[test]
    fn only_a_kill_is_final_on_a_shared_machine() {
        use KillVerdict::{Killed, NotRun, Survived, WrongReason};
        for verdict in [Killed, Survived, WrongReason, NotRun] {
            assert!(is_final(verdict, 1), "{verdict:?}");
            assert_eq!(is_final(verdict, 2), verdict == Killed, "{verdict:?}");
        }
    }

    #[test]
    fn a_machine_that_could_not_run_judges_nothing() {
        let mutant = named("ssh.root-login");
        let failed = Err(anyhow::anyhow!("no space left"));
        let outcome = judged(mutant, &[mutant], &failed, 1.0);
        assert_eq!(outcome.verdict, KillVerdict::NotRun);
        assert_eq!(outcome.why.as_deref(), Some("no space left"));
    }

    #[test]
    fn a_mutant_is_blamed_for_its_own_promises_only() {
        let (one, other) = (named("system.time-zone"), named("ssh.root-login"));
        let results = Ok(MachineResults {
            promises: vec![
                promise(one.caught_by, Verdict::Fail, one.symptom),
                promise(other.caught_by, Verdict::Fail, other.symptom),
            ],
            came_up: true,
        });
        let outcome = judged(one, &[one, other], &results, 1.0);
        assert_eq!(outcome.verdict, KillVerdict::Killed);
        assert_eq!(outcome.killers(), [one.caught_by]);
        assert_eq!(outcome.beside, [other.id]);
        // Alone it is blamed for everything that is broken there.
        let outcome = judged(one, &[one], &results, 1.0);
        assert_eq!(outcome.killers(), [one.caught_by, other.caught_by]);
    }

    #[test]
    fn a_check_that_could_not_run_is_not_a_kill() {
        let mutant = named("system.time-zone");
        let mut broken = promise(mutant.caught_by, Verdict::Fail, mutant.symptom);
        broken.found = false;
        let results = Ok(MachineResults {
            promises: vec![broken],
            came_up: true,
        });
        let outcome = judged(mutant, &[mutant], &results, 1.0);
        assert_eq!(outcome.verdict, KillVerdict::NotRun);
        assert!(outcome.caught_by.is_empty());
    }
}
