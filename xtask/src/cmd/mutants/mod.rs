//! `mutants`: break the configuration on purpose, and see whether the promise that names the defect notices.

mod breeder;
mod judges;
mod trial;

use std::cmp::Reverse;
use std::time::Instant;

use anyhow::Result;

use self::breeder::Breeder;
use self::judges::{boots, is_waited_for, place};
use self::trial::{Batch, Trials};
use super::doctor::{require_writable, write};
use crate::cli::Mutants;
use crate::error::{Broken, usage};
use crate::guest::Kind;
use crate::mutant::{self, Mutant, Verdict};
use crate::report::{self, KillTable, Outcome, Watcher};
use crate::test_env::{Run, Wanted};
use crate::{project, snapshot};

/// How many machines more than the cores can serve run at the same time.
const WAITING: usize = 2;

pub fn run(options: &Mutants) -> Result<()> {
    let mutants = mutant::chosen(&options.ids)?;
    if options.list {
        tell!("{}", report::mutants(&mutants));
        return Ok(());
    }
    for file in [&options.json, &options.html].into_iter().flatten() {
        require_writable(file)?;
    }
    let watcher = Watcher::default();
    let start = Instant::now();
    let wanted = Wanted::from_project(options.guest, &options.nixpkgs, &options.consent);
    let Run {
        cache,
        folder,
        bench,
    } = Run::prepare(wanted, &watcher)?;
    let mutants = fitting(mutants, bench.guest.kind, !options.ids.is_empty())?;
    bench.introduce();
    let record = snapshot::load_json(&snapshot::folder(&project::root()?))?;
    let batches: Vec<Batch> = if options.alone {
        mutants.iter().map(|&mutant| vec![mutant]).collect()
    } else {
        mutant::batches(&by_length(&mutants), &record, place)
    };
    let batches = in_turn(batches);
    watcher.say(&format!(
        "{} mutants on {} machines",
        mutants.len(),
        batches.len()
    ));
    // Some are waited for most of their time (for a login that does not come, for a server on another port), and keep no
    // core busy.
    let usual = bench.accelerator.machines_at_once() + WAITING;
    let jobs = options.jobs.map_or(usual, usize::from);
    let breeder = Breeder::new(&bench, &cache, &record, &options.nixpkgs)?;
    let trials = Trials::new(&bench, &breeder, options.quick, folder.path(), &watcher);
    let outcomes = trials.run(batches, jobs)?;
    let table = KillTable {
        guest: bench.guest.kind.to_string(),
        accelerator: bench.accelerator.to_string(),
        nixpkgs: bench.nixpkgs.clone(),
        quick: options.quick,
        machines: trials.machines(),
        seconds: start.elapsed().as_secs_f64(),
        mutants: told_apart(in_order(&mutants, outcomes)),
    };
    tell!("{}", report::kills(&table));
    if let Some(file) = &options.json {
        write(file, &serde_json::to_string_pretty(&table)?)?;
    }
    if let Some(file) = &options.html {
        write(file, &report::kills_html(&table))?;
    }
    if table.count(Verdict::Survived) + table.count(Verdict::WrongReason) > 0 {
        return Err(Broken.into());
    }
    match table.count(Verdict::NotRun) {
        0 => Ok(()),
        some => Err(usage(format!("{some} mutants were not judged"))),
    }
}

/// The mutants that this guest can be given; whoever names others is told.
fn fitting(mutants: Vec<&'static Mutant>, kind: Kind, named: bool) -> Result<Vec<&'static Mutant>> {
    let (fit, others): (Vec<_>, Vec<_>) = mutants
        .into_iter()
        .partition(|mutant| kind == Kind::Standin || mutant.nixos.is_some());
    match others.first() {
        Some(mutant) if named => Err(usage(format!(
            "no option of NixOS leads to {}; use --guest standin",
            mutant.id
        ))),
        _ => Ok(fit),
    }
}

/// `mutants` by machine, the longest first.
fn by_length(mutants: &[&'static Mutant]) -> Batch {
    let mut sorted = mutants.to_vec();
    sorted.sort_by_cached_key(|mutant| (mutant.comes_up, place(mutant)));
    sorted
}

/// `batches` with one that is waited for after each that keeps a core busy, as long as there are any; those that are started
/// most often first, so that none of them is left at the end.
fn in_turn(mut batches: Vec<Batch>) -> Vec<Batch> {
    batches.sort_by_cached_key(|batch| Reverse(boots(batch[0])));
    let (waiting, busy): (Vec<Batch>, Vec<Batch>) = batches
        .into_iter()
        .partition(|batch| is_waited_for(batch[0]));
    let (mut waiting, mut busy) = (waiting.into_iter(), busy.into_iter());
    let mut all = Vec::new();
    loop {
        let pair = [busy.next(), waiting.next()];
        if pair.iter().all(Option::is_none) {
            return all;
        }
        all.extend(pair.into_iter().flatten());
    }
}

/// `outcomes` in the order of `mutants`.
fn in_order(mutants: &[&'static Mutant], mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
    outcomes.sort_by_key(|outcome| mutants.iter().position(|one| one.id == outcome.mutant.id));
    outcomes
}

/// A kill on a shared machine counts for as much as its symptom: where a machine that did not have the mutant shows it as
/// well, it tells nothing.
fn told_apart(mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let shown = outcomes.iter().map(|one| elsewhere(one.mutant, &outcomes));
    let shown: Vec<Option<&Mutant>> = shown.collect();
    for (outcome, other) in outcomes.iter_mut().zip(shown) {
        if let (Some(other), Verdict::Killed) = (other, outcome.verdict) {
            outcome.verdict = Verdict::WrongReason;
            outcome.why = Some(format!(
                "{:?} is seen without it as well, on the machine of {}",
                outcome.mutant.symptom, other.id
            ));
        }
    }
    outcomes
}

/// A mutant on whose machine the symptom of `mutant` was seen, which was not there.
fn elsewhere(mutant: &Mutant, outcomes: &[Outcome]) -> Option<&'static Mutant> {
    outcomes.iter().find_map(|outcome| {
        let mut ids = outcome.beside.clone();
        ids.push(outcome.mutant.id);
        let fault = outcome
            .caught_by
            .iter()
            .find(|fault| fault.id == mutant.caught_by)?;
        if ids.contains(&mutant.id) {
            return None;
        }
        let with: Batch = mutant::all().filter(|one| ids.contains(&one.id)).collect();
        mutant::shown_without(mutant, &with, &fault.evidence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Fault;

    #[test]
    fn a_defect_that_nixos_has_no_words_for_is_left_out_or_told() {
        let all: Vec<_> = mutant::all().collect();
        let (without, with): (Vec<&Mutant>, Vec<&Mutant>) =
            all.iter().partition(|mutant| mutant.nixos.is_none());
        assert!(!without.is_empty() && !with.is_empty());
        assert_eq!(
            fitting(all.clone(), Kind::Standin, true).unwrap().len(),
            all.len()
        );
        assert_eq!(
            fitting(all.clone(), Kind::Nixos, false).unwrap().len(),
            with.len()
        );
        let error = fitting(all, Kind::Nixos, true).unwrap_err().to_string();
        assert!(error.contains(without[0].id), "{error}");
    }

    #[test]
    fn machines_that_keep_a_core_busy_and_machines_that_wait_take_turns() {
        let all: Vec<_> = mutant::all().map(|mutant| vec![mutant]).collect();
        let count = all.len();
        let turns = in_turn(all);
        let waits: Vec<bool> = turns.iter().map(|one| is_waited_for(one[0])).collect();
        assert_eq!(waits.len(), count);
        let first = turns[0][0];
        assert!(boots(first) > 1, "{}", first.id);
        assert_eq!(waits[..6], [false, true, false, true, false, true]);
    }

    #[test]
    fn a_symptom_that_is_seen_without_its_mutant_kills_nothing() {
        let named = |id: &str| mutant::all().find(|mutant| mutant.id == id).unwrap();
        let killed = |id: &str, evidence: &str| Outcome {
            mutant: named(id),
            beside: Vec::new(),
            verdict: Verdict::Killed,
            why: None,
            caught_by: vec![Fault {
                id: named(id).caught_by.to_string(),
                evidence: evidence.to_string(),
            }],
            seconds: 1.0,
        };
        let verdicts = |keyboard: &str| {
            let zone = killed("system.time-zone", "time zone: UTC");
            let outcomes = told_apart(vec![zone, killed("system.keyboard", keyboard)]);
            [outcomes[0].verdict, outcomes[1].verdict]
        };
        assert_eq!(verdicts("keyboard: us"), [Verdict::Killed; 2]);
        assert_eq!(
            verdicts("keyboard: us; time zone: ?"),
            [Verdict::WrongReason, Verdict::Killed]
        );
    }
}
