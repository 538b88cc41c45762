//! `mutants`: breaks the configuration on purpose, and checks that the promise which names the defect catches it.

mod assignment;
mod builder;
mod decisions;
mod runner;

use std::cmp::Reverse;
use std::time::Instant;

use anyhow::Result;
use serde_json::Value;

use self::assignment::{boots, mostly_waits, place};
use self::builder::Builder;
use self::decisions::Batch;
use self::runner::Runner;
use crate::cli::Mutants;
use crate::error::usage;
use crate::exit::Exit;
use crate::files::{require_writable, write};
use crate::guest::GuestKind;
use crate::mutant::{self, Mutant};
use crate::ollama_image::NO_REAL_OLLAMA;
use crate::outcome::{KillTable, KillVerdict, MutantOutcome};
use crate::report::{self, ConsoleReporter};
use crate::scenario::{Scenario, promise, scenario};
use crate::test_env::{Session, Wanted};
use crate::variant::{self, Variant};
use crate::{project, snapshot};

/// Machines that run at the same time beyond those that the cores keep busy: some machines mostly wait.
const WAITING: usize = 2;

pub fn run(options: &Mutants) -> Result<Exit> {
    let mutants = mutant::chosen(&options.ids)?;
    if options.list {
        outln!("{}", list(&mutants));
        return Ok(Exit::Ok);
    }
    for file in [&options.json, &options.html].into_iter().flatten() {
        require_writable(file)?;
    }
    let console = ConsoleReporter::default();
    let start = Instant::now();
    let variant = variant::one(&project::root()?, options.variant.as_deref())?;
    let wanted = Wanted {
        variant: variant.as_ref(),
        newer: mutants.iter().any(|mutant| is_about_updates(mutant)),
        ..Wanted::from_project(
            options.guest,
            &options.nixpkgs,
            &options.consent,
            &options.ollama,
        )
    };
    let Session { cache, folder, env } = Session::prepare(wanted, &console)?;
    let named = !options.ids.is_empty();
    let mutants = fitting(mutants, env.guest.kind, env.guest.newer.is_some(), named)?;
    let mutants = servable(mutants, env.ollama.real, named, &console)?;
    env.print_summary();
    let record = record(variant.as_ref())?;
    let batches: Vec<Batch> = if options.alone {
        mutants.iter().map(|&mutant| vec![mutant]).collect()
    } else {
        mutant::batches(&by_length(&mutants), &record, place)
    };
    let batches = in_turn(batches);
    console.say(&format!(
        "{} mutants on {} machines",
        mutants.len(),
        batches.len()
    ));
    let usual = env.accelerator.machines_at_once() + WAITING;
    let jobs = options.jobs.map_or(usual, usize::from);
    let builder = Builder::new(&env, &cache, &record, &options.nixpkgs, variant.as_ref())?;
    let runner = Runner::new(&env, &builder, options.quick, folder.path(), &console);
    let outcomes = runner.run(batches, jobs)?;
    let table = KillTable {
        guest: env.guest.kind.to_string(),
        accelerator: env.accelerator.to_string(),
        nixpkgs: env.nixpkgs.clone(),
        quick: options.quick,
        machines: runner.machines(),
        seconds: start.elapsed().as_secs_f64(),
        mutants: told_apart(in_order(&mutants, outcomes)),
    };
    outln!("{}", report::kills(&table));
    if let Some(file) = &options.json {
        write(file, &serde_json::to_string_pretty(&table)?)?;
    }
    if let Some(file) = &options.html {
        write(file, &report::kills_html(&table))?;
    }
    if table.count(KillVerdict::Survived) + table.count(KillVerdict::WrongReason) > 0 {
        return Ok(Exit::PromiseBroken);
    }
    match table.count(KillVerdict::NotRun) {
        0 => Ok(Exit::Ok),
        some => Err(usage(format!("{some} mutants were not judged"))),
    }
}

/// What `--list` prints.
fn list(mutants: &[&Mutant]) -> String {
    let mut table = report::table(&["mutant", "what is wrong", "caught by", "nixos"]);
    for mutant in mutants {
        let nixos = if mutant.nixos.is_some() { "yes" } else { "" };
        table.add_row([mutant.id, mutant.breaks, mutant.caught_by, nixos]);
    }
    format!(
        "{table}\n{} mutants; all run on the stand-in guest, and those with `yes` on nixos too: an option of NixOS has the \
         same defect. Those about updates run only on nixos, with --variant updates",
        mutants.len()
    )
}

/// The record of the configuration that is broken.
fn record(variant: Option<&Variant>) -> Result<Value> {
    let default = snapshot::folder(&project::root()?);
    match variant {
        None => snapshot::load_json(&default),
        Some(variant) => {
            let own = snapshot::variants::folder(&default, &variant.name);
            snapshot::load_variant_json(&default, &own)
        }
    }
}

/// The mutants that a guest of this kind can have; those about updates, if it `updates`. If others were `named`, that is an error.
fn fitting(
    mutants: Vec<&'static Mutant>,
    kind: GuestKind,
    updates: bool,
    named: bool,
) -> Result<Vec<&'static Mutant>> {
    let fits = |mutant: &&Mutant| match is_about_updates(mutant) {
        true => updates,
        false => kind == GuestKind::Standin || mutant.nixos.is_some(),
    };
    let (fit, others): (Vec<_>, Vec<_>) = mutants.into_iter().partition(|mutant| fits(mutant));
    match others.first() {
        Some(mutant) if named && is_about_updates(mutant) => Err(usage(format!(
            "{} is about updates: use --guest nixos --variant updates",
            mutant.id
        ))),
        Some(mutant) if named => Err(usage(format!(
            "no NixOS option causes {}; use --guest standin",
            mutant.id
        ))),
        _ => Ok(fit),
    }
}

/// The mutants whose promises the server at hand can keep: most of a stub's can be told, but not those about answers. If
/// others were `named`, that is an error.
fn servable(
    mutants: Vec<&'static Mutant>,
    real: bool,
    named: bool,
    console: &ConsoleReporter,
) -> Result<Vec<&'static Mutant>> {
    let (can, cannot): (Vec<_>, Vec<_>) = mutants
        .into_iter()
        .partition(|mutant| real || !needs_real_ollama(mutant));
    match cannot.first() {
        Some(mutant) if named => Err(usage(format!("{}: {NO_REAL_OLLAMA}", mutant.id))),
        Some(_) => {
            console.say(&format!(
                "{} mutants left out: {NO_REAL_OLLAMA}",
                cannot.len()
            ));
            Ok(can)
        }
        None => Ok(can),
    }
}

fn needs_real_ollama(mutant: &Mutant) -> bool {
    scenario_of(mutant).is_some_and(|scenario| scenario.real_ollama)
}

fn is_about_updates(mutant: &Mutant) -> bool {
    scenario_of(mutant).is_some_and(Scenario::updates)
}

fn scenario_of(mutant: &Mutant) -> Option<&'static Scenario> {
    promise(mutant.caught_by).and_then(|promise| scenario(promise.scenario))
}

/// `mutants` sorted by machine, the longest job first.
fn by_length(mutants: &[&'static Mutant]) -> Batch {
    let mut sorted = mutants.to_vec();
    sorted.sort_by_cached_key(|mutant| (mutant.comes_up, place(mutant)));
    sorted
}

/// Interleaves the batches that mostly wait with those that keep a core busy. Within each, those with most boots come
/// first, so that none of them is left at the end.
fn in_turn(mut batches: Vec<Batch>) -> Vec<Batch> {
    batches.sort_by_cached_key(|batch| Reverse(boots(batch[0])));
    let (waiting, busy): (Vec<Batch>, Vec<Batch>) = batches
        .into_iter()
        .partition(|batch| mostly_waits(batch[0]));
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
fn in_order(mutants: &[&'static Mutant], mut outcomes: Vec<MutantOutcome>) -> Vec<MutantOutcome> {
    outcomes.sort_by_key(|outcome| mutants.iter().position(|one| one.id == outcome.id));
    outcomes
}

/// Withdraws kills by a symptom that a machine without the mutant shows as well: such a symptom proves nothing.
fn told_apart(mut outcomes: Vec<MutantOutcome>) -> Vec<MutantOutcome> {
    let shown = outcomes.iter().map(|one| elsewhere(one, &outcomes));
    let shown: Vec<Option<&Mutant>> = shown.collect();
    for (outcome, other) in outcomes.iter_mut().zip(shown) {
        if let (Some(other), KillVerdict::Killed) = (other, outcome.verdict) {
            outcome.verdict = KillVerdict::WrongReason;
            outcome.why = Some(format!(
                "{:?} is seen without it too, on the machine of {}",
                outcome.symptom, other.id
            ));
        }
    }
    outcomes
}

/// A mutant on whose machine the symptom of `one` was seen, although `one` was not on that machine.
fn elsewhere(one: &MutantOutcome, outcomes: &[MutantOutcome]) -> Option<&'static Mutant> {
    let mutant = mutant::all().find(|mutant| mutant.id == one.id)?;
    outcomes.iter().find_map(|outcome| {
        let mut ids: Vec<&str> = outcome.beside.iter().map(String::as_str).collect();
        ids.push(&outcome.id);
        let broken = outcome
            .caught_by
            .iter()
            .find(|broken| broken.id == mutant.caught_by)?;
        if ids.contains(&mutant.id) {
            return None;
        }
        let with: Batch = mutant::all().filter(|one| ids.contains(&one.id)).collect();
        mutant::shown_without(mutant, &with, &broken.evidence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::BrokenPromise;

    #[test]
    fn a_defect_that_no_nixos_option_causes_is_left_out_or_refused() {
        let all: Vec<_> = mutant::all().collect();
        let (without, with): (Vec<&Mutant>, Vec<&Mutant>) =
            all.iter().partition(|mutant| mutant.nixos.is_none());
        assert!(!without.is_empty() && !with.is_empty());
        let updates = all.iter().filter(|mutant| is_about_updates(mutant)).count();
        let standin = |named| fitting(all.clone(), GuestKind::Standin, false, named);
        assert_eq!(standin(false).unwrap().len(), all.len() - updates);
        let error = standin(true).unwrap_err().to_string();
        assert!(error.contains("--variant updates"), "{error}");
        assert_eq!(
            fitting(all.clone(), GuestKind::Nixos, true, false)
                .unwrap()
                .len(),
            with.len()
        );
        let error = fitting(all, GuestKind::Nixos, true, true)
            .unwrap_err()
            .to_string();
        assert!(error.contains(without[0].id), "{error}");
    }

    #[test]
    fn busy_machines_and_waiting_machines_alternate() {
        let all: Vec<_> = mutant::all().map(|mutant| vec![mutant]).collect();
        let count = all.len();
        let turns = in_turn(all);
        let waits: Vec<bool> = turns.iter().map(|one| mostly_waits(one[0])).collect();
        assert_eq!(waits.len(), count);
        let first = turns[0][0];
        assert!(boots(first) > 1, "{}", first.id);
        assert_eq!(waits[..6], [false, true, false, true, false, true]);
    }

    #[test]
    fn a_symptom_seen_without_its_mutant_does_not_kill() {
        let named = |id: &str| mutant::all().find(|mutant| mutant.id == id).unwrap();
        let killed = |id: &str, evidence: &str| MutantOutcome {
            verdict: KillVerdict::Killed,
            caught_by: vec![BrokenPromise {
                id: named(id).caught_by.to_string(),
                evidence: evidence.to_string(),
            }],
            ..decisions::not_run(named(id), &[], 1.0)
        };
        let verdicts = |keyboard: &str| {
            let name = killed("system.host-name", "host name: Other");
            let outcomes = told_apart(vec![name, killed("system.keyboard", keyboard)]);
            [outcomes[0].verdict, outcomes[1].verdict]
        };
        assert_eq!(verdicts("keyboard: us"), [KillVerdict::Killed; 2]);
        assert_eq!(
            verdicts("keyboard: us; host name: Other"),
            [KillVerdict::WrongReason, KillVerdict::Killed]
        );
    }
}
