//! `mutants`: break the configuration on purpose, and see whether the promise that names the defect notices.

mod breeder;

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use self::breeder::Breeder;
use super::doctor::{require_writable, write};
use super::workbench::{Bench, Run};
use crate::cli::Mutants;
use crate::error::{Broken, one_line, usage};
use crate::guest::Kind;
use crate::mutant::{self, Mutant, Verdict};
use crate::parallel::each;
use crate::process;
use crate::report::{self, Fault, KillTable, Outcome, Watcher};
use crate::scenario::{Lane, PROMISES, Plan, Quiet, SCENARIOS, Scenario, run_lane, scenario};

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
    let Run {
        cache,
        folder,
        bench,
    } = Run::of(options.guest, &options.nixpkgs, &options.consent, &watcher)?;
    let mutants = fitting(mutants, bench.guest.kind, !options.ids.is_empty())?;
    bench.introduce();
    let jobs = options
        .jobs
        .map_or_else(|| bench.accelerator.machines_at_once(), usize::from);
    let lanes = lanes(&mutants, options.quick);
    watcher.say("the unchanged configuration first: what it breaks, no mutant can be caught by");
    each(&lanes, jobs, |lane| {
        unchanged(lane, &bench, folder.path(), &watcher)
    })?;
    let breeder = Breeder::new(&bench, &cache, &options.nixpkgs)?;
    let outcomes = each(&mutants, jobs, |mutant| {
        let spinner = watcher.spinner(mutant.id);
        let outcome = try_out(mutant, &breeder, options.quick, folder.path())?;
        drop(spinner);
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
    tell!("{}", report::kills(&table));
    if let Some(file) = &options.json {
        write(file, &serde_json::to_string_pretty(&table)?)?;
    }
    if let Some(file) = &options.html {
        write(file, &report::kills_html(&table))?;
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
    let folder = folder.join("unchanged").join(&lane.name);
    let mut machine = bench.machine(lane.drives, folder.clone(), (0, 0))?;
    let reports = run_lane(
        lane,
        &mut machine,
        &bench.contract,
        &bench.stranger,
        &folder,
        &watcher.lane(&lane.name),
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
        Ok((reports, came_up)) => {
            let promises = || reports.iter().flat_map(|report| &report.promises);
            let (verdict, why) = mutant::judge(mutant, promises(), came_up);
            let broken = promises()
                .filter(|promise| promise.verdict == report::Verdict::Fail && promise.found);
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

/// What was found on the machine, and whether it got to a login at all.
fn checked(
    mutant: &'static Mutant,
    breeder: &Breeder,
    quick: bool,
    folder: &Path,
) -> Result<(Vec<report::ScenarioReport>, bool)> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let bench = breeder.bench(mutant, folder)?;
    let lane = lanes(&[mutant], quick)
        .pop()
        .context("no machine runs the scenario that judges it")?;
    let mut machine = bench.machine(lane.drives, folder.join(&lane.name), (0, 0))?;
    let reports = run_lane(
        &lane,
        &mut machine,
        &bench.contract,
        &bench.stranger,
        folder,
        &Quiet,
    )?;
    Ok((reports, !machine.boots.is_empty()))
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
}
