//! `mutants`: break the configuration on purpose, and see whether the promise that names the defect notices.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use super::doctor::write;
use super::test::Bench;
use crate::cli::{Mutants, Test};
use crate::error::{Broken, one_line, usage};
use crate::guest::{Kind, nixos, standin};
use crate::mutant::{self, HeldTo, Mutant, Verdict};
use crate::nix::Nix;
use crate::report::{self, Fault, KillTable, Outcome, Watcher};
use crate::scenario::{Lane, PROMISES, Plan, Quiet, SCENARIOS, Scenario, run_lane, scenario};
use crate::{process, project, snapshot};

pub fn run(options: &Mutants) -> Result<()> {
    let mutants = mutant::chosen(&options.ids)?;
    if options.list {
        println!("{}", report::mutants(&mutants));
        return Ok(());
    }
    if let Some(file) = &options.json {
        // Found out now, and not when all the work is done.
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .map_err(|error| usage(format!("cannot write {}: {error}", file.display())))?;
    }
    let watcher = Watcher::default();
    let start = Instant::now();
    let cache = project::cache()?;
    let folder = project::run_folder(&cache)?;
    let test = Test {
        guest: options.guest,
        nixpkgs: options.nixpkgs.clone(),
        consent: options.consent.clone(),
        ..Test::default()
    };
    let bench = Bench::prepare(&test, &cache, folder.path(), &watcher)?;
    let mutants = fitting(mutants, bench.guest.kind, !options.ids.is_empty())?;
    println!(
        "guest {}; accelerator {}",
        bench.guest.description,
        bench.accelerator.explain()
    );
    let jobs = options.jobs.map_or_else(
        || thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
        usize::from,
    );
    let lanes = lanes(&mutants, options.quick);
    watcher.say("the unchanged configuration first: what it breaks, no mutant can be caught by");
    each(&lanes, jobs, |lane| {
        unchanged(lane, &bench, folder.path(), &watcher)
    })?;
    let breeder = Breeder::new(&bench, &cache, options)?;
    let outcomes = each(&mutants, jobs, |mutant| {
        let outcome = try_out(mutant, &breeder, options.quick, folder.path())?;
        watcher.say(&outcome.line());
        Ok(outcome)
    })?;
    let table = KillTable {
        guest: bench.guest.kind.to_string(),
        accelerator: bench.accelerator.to_string(),
        nixpkgs: bench.nixpkgs.clone(),
        quick: options.quick,
        seconds: start.elapsed().as_secs_f64(),
        mutants: outcomes,
    };
    println!("{}", report::kills(&table));
    if let Some(file) = &options.json {
        write(file, &serde_json::to_string_pretty(&table)?)?;
    }
    if table.count(Verdict::Survived) + table.count(Verdict::WrongPromise) > 0 {
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

/// The scenario that judges `mutant`.
fn judging(mutant: &Mutant) -> &'static Scenario {
    PROMISES
        .iter()
        .find(|promise| promise.id == mutant.caught_by)
        .and_then(|promise| scenario(promise.scenario))
        .expect("the mutants' tests hold them to the promises that there are")
}

/// The machines that it takes to judge `mutants`: whole, or with only the scenarios that judge one.
fn lanes(mutants: &[&'static Mutant], quick: bool) -> Vec<Lane> {
    let judges = |scenario: &Scenario| {
        let mut all = mutants.iter().map(|mutant| judging(mutant));
        all.any(|judge| judge.name == scenario.name)
    };
    let scenarios: Vec<&'static Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| !quick || judges(scenario))
        .collect();
    let mut lanes = Plan::new(&scenarios).lanes;
    lanes.retain(|lane| lane.scenarios.iter().any(|scenario| judges(scenario)));
    lanes
}

/// Without any defect every promise has to be kept.
fn unchanged(lane: &Lane, bench: &Bench, folder: &Path, watcher: &Watcher) -> Result<()> {
    let folder = folder.join("unchanged").join(lane.name);
    let mut machine = bench.machine(lane.drives, folder.clone(), (0, 0))?;
    let reports = run_lane(
        lane,
        &mut machine,
        &bench.contract,
        &bench.stranger,
        &folder,
        watcher,
    )?;
    let mut promises = reports.iter().flat_map(|report| &report.promises);
    match promises.find(|promise| promise.verdict != report::Verdict::Pass) {
        Some(promise) => Err(usage(format!(
            "the unchanged configuration does not keep {} ({}): no mutant can be judged before `cargo xtask test` passes",
            promise.id,
            promise.evidence.lines().next().unwrap_or_default()
        ))),
        None => Ok(()),
    }
}

/// Makes benches with a defect.
struct Breeder<'a> {
    bench: &'a Bench,
    cache: &'a Path,
    source: Source,
}

/// What a defect is put into.
enum Source {
    /// The recorded contract, for the stand-in guest.
    Record(Value),
    Flake(Nix),
}

impl<'a> Breeder<'a> {
    fn new(bench: &'a Bench, cache: &'a Path, options: &Mutants) -> Result<Self> {
        let root = project::root()?;
        let source = match bench.guest.kind {
            Kind::Standin => Source::Record(snapshot::load_json(&snapshot::folder(&root))?),
            Kind::Nixos => Source::Flake(Nix::find(&root, options.nixpkgs.nixpkgs.clone())?),
        };
        Ok(Breeder {
            bench,
            cache,
            source,
        })
    }

    /// A bench whose guest has the defect; the files that it takes are put into `folder`.
    fn bench(&self, mutant: &Mutant, folder: &Path) -> Result<Bench> {
        let (guest, contract) = match &self.source {
            Source::Record(record) => {
                let contract = serde_json::from_value(mutant.apply(record)?)?;
                let guest = standin::prepare(&contract, self.cache, folder, &mut |_| ())?;
                (guest, contract)
            }
            Source::Flake(nix) => {
                let module = mutant
                    .nixos
                    .context("no option of NixOS leads to this defect")?;
                let (guest, contract) = nixos::prepare_changed(nix, module)?;
                let contract = serde_json::from_value(contract)
                    .context("tests/contract.nix and the harness differ")?;
                (guest, contract)
            }
        };
        let contract = match mutant.held_to {
            HeldTo::Itself => contract,
            HeldTo::Unchanged => self.bench.contract.clone(),
        };
        Ok(self.bench.with(guest, contract))
    }
}

/// Boots `mutant` and judges it.
///
/// # Errors
/// Ctrl-C. Whatever else goes wrong concerns this mutant alone, and is its outcome.
fn try_out(
    mutant: &'static Mutant,
    breeder: &Breeder,
    quick: bool,
    folder: &Path,
) -> Result<Outcome> {
    let start = Instant::now();
    let folder = folder.join(mutant.id);
    let reports = checked(mutant, breeder, quick, &folder);
    process::check_interrupt()?;
    // Gone with the run at the latest.
    let _ = fs::remove_dir_all(&folder);
    let (verdict, why, caught_by) = match reports {
        Ok(reports) => {
            let promises = || reports.iter().flat_map(|report| &report.promises);
            let (verdict, why) = mutant::judge(mutant, promises());
            let broken = promises().filter(|promise| promise.verdict == report::Verdict::Fail);
            (verdict, why, broken.map(Fault::from).collect())
        }
        Err(error) => (Verdict::NotRun, Some(one_line(&error)), Vec::new()),
    };
    Ok(Outcome {
        id: mutant.id,
        breaks: mutant.breaks,
        expected: mutant.caught_by,
        verdict,
        why,
        caught_by,
        seconds: start.elapsed().as_secs_f64(),
    })
}

fn checked(
    mutant: &'static Mutant,
    breeder: &Breeder,
    quick: bool,
    folder: &Path,
) -> Result<Vec<report::ScenarioReport>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let bench = breeder.bench(mutant, folder)?;
    let lane = lanes(&[mutant], quick)
        .pop()
        .context("no machine runs the scenario that judges it")?;
    let mut machine = bench.machine(lane.drives, folder.join(lane.name), (0, 0))?;
    run_lane(
        &lane,
        &mut machine,
        &bench.contract,
        &bench.stranger,
        folder,
        &Quiet,
    )
}

/// `work` on each of `items`, `jobs` at a time; what it made, in the order of `items`.
///
/// # Errors
/// The first that `work` gave; what has not begun by then is left.
fn each<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::SeqCst);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            if result.is_err() {
                next.store(items.len(), Ordering::SeqCst);
            }
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            scope.spawn(worker);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_runs_on_the_machine_of_its_promise_only() {
        for mutant in mutant::all() {
            for quick in [false, true] {
                let lanes = lanes(&[mutant], quick);
                assert_eq!(lanes.len(), 1, "{}", mutant.id);
                let names: Vec<&str> = lanes[0].scenarios.iter().map(|one| one.name).collect();
                assert!(names.contains(&judging(mutant).name), "{}", mutant.id);
                assert!(!quick || names.len() == 1, "{}", mutant.id);
            }
        }
    }

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
    fn results_keep_their_order_and_the_first_error_ends_it() {
        let squares = each(&[1, 2, 3, 4, 5], 3, |n| Ok(n * n)).unwrap();
        assert_eq!(squares, [1, 4, 9, 16, 25]);
        let begun = AtomicUsize::new(0);
        let error = each(&[1, 2, 3], 1, |n| {
            begun.fetch_add(1, Ordering::SeqCst);
            if *n == 2 { Err(usage("two")) } else { Ok(()) }
        });
        assert_eq!(error.unwrap_err().to_string(), "two");
        assert_eq!(begun.into_inner(), 2);
    }
}
