//! `test`: boot the appliance and check its promises.

mod lanes;

use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::Local;

use self::lanes::Lanes;
use super::doctor::{require_writable, write};
use crate::cli::{GuestChoice, Test};
use crate::error::{Broken, usage};
use crate::git::Git;
use crate::guest::Kind;
use crate::outcome::{self, Report, Verdict};
use crate::project;
use crate::report::{self, Watcher};
use crate::scenario::{Plan, SCENARIOS, Scenario, scenario};
use crate::test_env::{Run, Wanted};

pub fn run(options: &Test) -> Result<()> {
    if options.list {
        tell!("{}", report::list());
        return Ok(());
    }
    let report = report(options)?;
    match report.verdict {
        Verdict::Pass => Ok(()),
        Verdict::Fail => Err(Broken.into()),
        Verdict::Skip => Err(usage(format!(
            "{} promises were not checked",
            report.count(Verdict::Skip)
        ))),
    }
}

/// Runs the tests, prints the summary, and writes the files that were asked for.
///
/// # Errors
/// The tests cannot be run, or a file cannot be written. A broken promise is in the report.
pub fn report(options: &Test) -> Result<Report> {
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
    let ready = options.image.as_deref().zip(options.contract.as_deref());
    let wanted = Wanted {
        snapshots: options.snapshots.as_deref(),
        ready,
        ..Wanted::from_project(options.guest, &options.nixpkgs, &options.consent)
    };
    let Run {
        cache,
        folder,
        bench,
    } = Run::prepare(wanted, &watcher)?;
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
        verdict: outcome::verdict(&outcome.scenarios),
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
    Ok(report)
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
