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
use super::decisions::{Batch, MachineResults, caught_by, is_final, judged, smaller, undecided};
use crate::error::usage;
use crate::mutant::Mutant;
use crate::outcome::{MutantOutcome, PromiseOutcome, Verdict};
use crate::parallel::{self, Queue};
use crate::report::ConsoleReporter;
use crate::scenario::{Context, Promise, Quiet, judge_all, switch_on};
use crate::test_env::TestEnv;
use vm::process;

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
        let mut cx = Context::new(&mut machine, &env.contract, key, folder);
        cx.newer.clone_from(&env.guest.newer);
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
        if let Some(promise) = promises.find(|promise| promise.verdict.is_open()) {
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
