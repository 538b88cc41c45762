//! Mutants on their machines. Those that can be told apart share one; what is undecided there is tried again in smaller
//! company, in the end by itself, and is judged then.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};

use super::breeder::Breeder;
use super::judges::{Hearing, hearing, hearings, unheard};
use crate::error::{one_line, usage};
use crate::mutant::{self, Mutant, Verdict};
use crate::outcome::{self, PromiseOutcome};
use crate::parallel::{self, Queue};
use crate::report::{Fault, Outcome, Watcher};
use crate::scenario::{self, Promise, Quiet, judge_all, switch_on};
use crate::test_env::TestEnv;
use vm::process;

/// The mutants of one machine.
pub type Batch = Vec<&'static Mutant>;

/// One machine's turn.
enum Turn {
    Mutants(Batch),
    /// The unchanged configuration.
    Control(Hearing),
}

/// How mutants are tried.
pub struct Trials<'a> {
    /// Without defect.
    pub bench: &'a TestEnv,
    pub breeder: &'a Breeder<'a>,
    /// Only the promises that are to catch a mutant are looked at, and each once where no mutant breaks it.
    pub quick: bool,
    /// Takes the machines' disks and logs.
    pub folder: &'a Path,
    pub watcher: &'a Watcher,
    /// How many machines there were.
    machines: AtomicUsize,
    /// The promises that were seen kept on some machine.
    kept: Mutex<BTreeSet<String>>,
    /// The promises that no machine has been told yet to look at without a mutant that breaks them.
    unasked: Mutex<BTreeSet<&'static str>>,
}

/// What a machine came to.
struct Seen {
    promises: Vec<PromiseOutcome>,
    /// It got to a login.
    came_up: bool,
}

impl<'a> Trials<'a> {
    pub fn new(
        bench: &'a TestEnv,
        breeder: &'a Breeder<'a>,
        quick: bool,
        folder: &'a Path,
        watcher: &'a Watcher,
    ) -> Self {
        Trials {
            bench,
            breeder,
            quick,
            folder,
            watcher,
            machines: AtomicUsize::new(0),
            kept: Mutex::default(),
            unasked: Mutex::default(),
        }
    }

    /// How many machines there were by now.
    pub fn machines(&self) -> usize {
        self.machines.load(Ordering::Relaxed)
    }

    /// Judges every mutant of `batches`, on `jobs` machines at a time.
    ///
    /// # Errors
    /// Ctrl-C, or a promise that is not kept without any defect either.
    pub fn run(&self, batches: Vec<Batch>, jobs: usize) -> Result<Vec<Outcome>> {
        let asked: BTreeSet<&str> = caught_by(batches.iter().flatten());
        *self.unasked.lock().unwrap_or_else(PoisonError::into_inner) = asked.clone();
        // The longest first: these are the machines that are started most often.
        let unheard = unheard(&batches, asked);
        let controls = hearings(|promise| unheard.contains(promise.id));
        let turns = controls
            .into_iter()
            .map(Turn::Control)
            .chain(batches.into_iter().map(Turn::Mutants));
        let outcomes = parallel::all(turns, jobs, |turn, queue| match turn {
            Turn::Mutants(batch) => self.batch(batch, queue),
            Turn::Control(hearing) => self.unchanged(&hearing).map(|()| Vec::new()),
        })?;
        let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
        self.control(outcomes.iter().map(|outcome| &outcome.mutant), jobs)?;
        Ok(outcomes)
    }

    /// What was decided about the mutants of `batch`; the others go to the end of the queue.
    fn batch(&self, batch: Batch, queue: &Queue<Turn>) -> Result<Vec<Outcome>> {
        let name = match &batch[..] {
            [one] => one.id.to_string(),
            [first, others @ ..] => format!("{} and {} more", first.id, others.len()),
            [] => return Ok(Vec::new()),
        };
        let spinner = self.watcher.spinner(&name);
        let start = Instant::now();
        let seen = self.machine(&batch);
        process::check_interrupt()?;
        drop(spinner);
        let seconds = start.elapsed().as_secs_f64();
        let judged = batch.iter().map(|one| judged(one, &batch, &seen, seconds));
        let (decided, open): (Vec<Outcome>, Vec<Outcome>) =
            judged.partition(|outcome| batch.len() == 1 || outcome.verdict == Verdict::Killed);
        for outcome in &decided {
            self.watcher.say(&outcome.line());
        }
        let again: Batch = open.iter().map(|outcome| outcome.mutant).collect();
        if !again.is_empty() {
            self.watcher.say(&undecided(&name, &open));
            if decided.is_empty() {
                // Before every part of it is tried: is it the host that keeps no promise?
                self.control(again.iter(), 1)?;
            }
            for batch in smaller(again, decided.is_empty()) {
                queue.add_last(Turn::Mutants(batch));
            }
        }
        Ok(decided)
    }

    /// Boots a machine with all of `batch`, and checks what is to catch them.
    fn machine(&self, batch: &[&'static Mutant]) -> Result<Seen> {
        let number = self.machines.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("{}-{number}", batch[0].id));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let bench = self.breeder.bench(batch, &folder);
        let mut unasked = self.unasked.lock().unwrap_or_else(PoisonError::into_inner);
        let hearing = hearing(batch, self.quick, &mut unasked);
        drop(unasked);
        let seen = bench.and_then(|bench| self.hear(&hearing, &bench, &folder));
        // Gone with the run at the latest.
        let _ = fs::remove_dir_all(&folder);
        seen
    }

    /// Boots the machine of `hearing`, and looks.
    fn hear(
        &self,
        Hearing { lane, promises }: &Hearing,
        bench: &TestEnv,
        folder: &Path,
    ) -> Result<Seen> {
        let mut machine = bench.machine(lane.disks, folder.join(&lane.name), (0, 0))?;
        let boot = switch_on(&lane.name, &mut machine, &Quiet)?;
        let key = &bench.unauthorized_key;
        let cx = scenario::Context::new(&mut machine, &bench.contract, key, folder);
        let reports = judge_all(promises, &boot, cx, &Quiet)?;
        let promises: Vec<PromiseOutcome> = reports
            .into_iter()
            .flat_map(|report| report.promises)
            .collect();
        let kept = promises
            .iter()
            .filter(|promise| promise.verdict == outcome::Verdict::Pass);
        let mut known = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(kept.map(|promise| promise.id.clone()));
        Ok(Seen {
            promises,
            came_up: boot.is_ok(),
        })
    }

    /// A promise that nobody has seen kept catches nothing: each that is to catch one of `mutants`, and was not kept on a
    /// machine with others, is checked without any defect.
    ///
    /// # Errors
    /// It is not kept then either.
    fn control<'m>(
        &self,
        mutants: impl Iterator<Item = &'m &'static Mutant>,
        jobs: usize,
    ) -> Result<()> {
        let asked = caught_by(mutants);
        let known = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let unseen = |promise: &Promise| asked.contains(promise.id) && !known.contains(promise.id);
        let hearings = hearings(unseen);
        drop(known);
        parallel::each(&hearings, jobs, |hearing| self.unchanged(hearing)).map(drop)
    }

    /// Boots the unchanged configuration on the machine of `hearing`.
    ///
    /// # Errors
    /// A promise is not kept.
    fn unchanged(&self, hearing: &Hearing) -> Result<()> {
        let name = format!("{}, unchanged", hearing.lane.name);
        let spinner = self.watcher.spinner(&name);
        let start = Instant::now();
        let number = self.machines.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("unchanged-{number}"));
        let seen = self.hear(hearing, self.bench, &folder)?;
        // As that of a mutant.
        let _ = fs::remove_dir_all(&folder);
        process::check_interrupt()?;
        drop(spinner);
        let mut promises = seen.promises.iter();
        if let Some(promise) = promises.find(|promise| promise.verdict != outcome::Verdict::Pass) {
            return Err(usage(format!(
                "the unchanged configuration does not keep {} ({}): no mutant can be judged before `cargo xtask test` passes",
                promise.id,
                promise.evidence.lines().next().unwrap_or_default()
            )));
        }
        let ids: Vec<&str> = seen
            .promises
            .iter()
            .map(|promise| promise.id.as_str())
            .collect();
        self.watcher.say(&format!(
            "kept by the unchanged configuration ({:.1} s): {}",
            start.elapsed().as_secs_f64(),
            ids.join(", ")
        ));
        Ok(())
    }
}

/// The promises that are to catch `mutants`.
fn caught_by<'m>(mutants: impl Iterator<Item = &'m &'static Mutant>) -> BTreeSet<&'static str> {
    mutants.map(|mutant| mutant.caught_by).collect()
}

/// What the machine says of `mutant`, one of `batch`.
fn judged(
    mutant: &'static Mutant,
    batch: &[&'static Mutant],
    seen: &Result<Seen>,
    seconds: f64,
) -> Outcome {
    let beside: Vec<&Mutant> = batch
        .iter()
        .copied()
        .filter(|other| other.id != mutant.id)
        .collect();
    let (verdict, why, caught_by) = match seen {
        Ok(Seen { promises, came_up }) => {
            let (verdict, why) = mutant::judge(mutant, &beside, promises.iter(), *came_up);
            let broken = promises
                .iter()
                .filter(|promise| promise.verdict == outcome::Verdict::Fail && promise.found)
                .filter(|promise| {
                    let id = promise.id.as_str();
                    beside.is_empty() || id == mutant.caught_by || mutant.also.contains(&id)
                });
            (verdict, why, broken.map(Fault::from).collect())
        }
        Err(error) => (Verdict::NotRun, Some(one_line(error)), Vec::new()),
    };
    Outcome {
        mutant,
        beside: beside.iter().map(|other| other.id).collect(),
        verdict,
        why,
        caught_by,
        seconds,
    }
}

/// How those of a machine that nothing is known of yet are tried again: without the others, whose defects may have hidden
/// theirs; in two halves where there were no others.
fn smaller(mut again: Batch, all: bool) -> Vec<Batch> {
    if !all {
        return vec![again];
    }
    let half = again.split_off(again.len() / 2);
    vec![again, half]
}

/// One line about those of a machine that nothing is known of yet.
fn undecided(machine: &str, open: &[Outcome]) -> String {
    let ids: Vec<&str> = open.iter().map(|outcome| outcome.mutant.id).collect();
    let why = open.iter().find_map(|outcome| outcome.why.as_deref());
    format!(
        "tried again, not all on the machine of {machine}: {} ({})",
        ids.join(", "),
        why.and_then(|why| why.lines().next()).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_again_is_in_smaller_company() {
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
}
