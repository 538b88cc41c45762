//! `test`: boots the appliance and checks its promises.

mod choice;
mod sources;
mod vm_jobs;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::Local;
use vm::process;

use self::choice::{chosen, failed_last, list};
use self::sources::SOURCES;
use self::vm_jobs::JobRunner;
use crate::cli::Test;
use crate::error::{one_line, usage};
use crate::exit::Exit;
use crate::files::{require_writable, write};
use crate::git::Git;
use crate::ollama_image::NO_REAL_OLLAMA;
use crate::outcome::{self, Report, Verdict};
use crate::project;
use crate::report::{self, ConsoleReporter};
use crate::scenario::{Plan, SCENARIOS, Scenario, unavailable};
use crate::test_env::{Session, Wanted};
use crate::variant::{self, Variant};

/// Why promises about updates are not checked.
const NO_NEWER: &str = "this guest has one slot, or its image was built elsewhere: updates need NixOS built here, --guest nixos";

pub fn run(options: &Test) -> Result<Exit> {
    if options.list {
        // All, with those that inject faults; or the scenarios named.
        outln!(
            "{}",
            list(&chosen(&options.scenarios, options.scenarios.is_empty())?)
        );
        return Ok(Exit::Ok);
    }
    let Some(name) = &options.variant else {
        return exit(&report(options)?);
    };
    let variants = variant::chosen(&project::root()?, name)?;
    let [one] = variants.as_slice() else {
        return each(options, &variants);
    };
    exit(&report_on(options, Some(one))?)
}

/// The exit code of one run.
fn exit(report: &Report) -> Result<Exit> {
    match report.verdict {
        Verdict::Pass | Verdict::NotApplicable => Ok(Exit::Ok),
        Verdict::Fail => Ok(Exit::PromiseBroken),
        Verdict::Skip | Verdict::Unavailable => Err(usage(report.unchecked())),
    }
}

/// Runs the tests on each of `variants`, even if one of them fails. Returns the exit code of all: a broken promise
/// outweighs a run that could not be done.
fn each(options: &Test, variants: &[Variant]) -> Result<Exit> {
    let mut all = Exit::Ok;
    let mut lines = Vec::new();
    for variant in variants {
        let named =
            |file: &Option<PathBuf>| file.as_deref().map(|file| beside(file, &variant.name));
        let own = Test {
            json: named(&options.json),
            junit: named(&options.junit),
            html: named(&options.html),
            ..options.clone()
        };
        let done = report_on(&own, Some(variant));
        let tally = done.as_ref().map(Report::tally_line);
        lines.push(match &tally {
            Ok(tally) => format!("{}: {tally}", variant.name),
            Err(error) => format!("{}: not run: {}", variant.name, one_line(error)),
        });
        match done.and_then(|report| exit(&report)) {
            Ok(Exit::Ok) => {}
            Ok(broken) => all = broken,
            Err(error) => {
                process::check_interrupt()?;
                errln!("error: variant {}: {}", variant.name, one_line(&error));
                if all == Exit::Ok {
                    all = Exit::NotRun;
                }
            }
        }
    }
    outln!("{}", lines.join("\n"));
    Ok(all)
}

/// `file` with the name of a variant before its extension.
fn beside(file: &Path, variant: &str) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    let dot = if extension.is_empty() { "" } else { "." };
    file.with_file_name(format!("{stem}-{variant}{dot}{extension}"))
}

/// Runs the tests, prints the summary, and writes the files that `options` ask for. Whatever the verdict, the report is
/// returned.
///
/// # Errors
/// The run could not be done: see [`Session::prepare`]; also if a file cannot be written.
pub fn report(options: &Test) -> Result<Report> {
    report_on(options, None)
}

/// [`report`] on a variant.
pub fn report_on(options: &Test, variant: Option<&Variant>) -> Result<Report> {
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
    let console = ConsoleReporter::default();
    let (start, started) = (Instant::now(), Local::now());
    let git = Git::at(&project::root()?);
    let commit = git.state();
    let ready = options.image.as_deref().zip(options.contract.as_deref());
    let wanted = Wanted {
        snapshots: options.snapshots.as_deref(),
        ready,
        variant,
        newer: scenarios.iter().any(|scenario| scenario.updates()),
        ..Wanted::from_project(
            options.guest,
            &options.nixpkgs,
            &options.consent,
            &options.ollama,
        )
    };
    let Session { cache, folder, env } = Session::prepare(wanted, &console)?;
    if let Some(variant) = variant {
        outln!("variant {}", variant.name);
    }
    env.print_summary();
    let jobs = JobRunner {
        env: &env,
        folder: folder.path(),
        console: &console,
        kept: cache.join("last-failure"),
        jobs: options
            .jobs
            .map_or_else(|| env.accelerator.machines_at_once(), usize::from),
        times: options.repeat.map_or(1, usize::from),
        debug: options.debug,
        listen: options
            .listen
            .map(|minutes| Duration::from_secs(60 * minutes.get() as u64)),
        keep_disks: options.keep,
    };
    let hindrance = |scenario: &&Scenario| {
        let updates = scenario.updates() && env.guest.newer.is_none();
        let reason = if updates { NO_NEWER } else { NO_REAL_OLLAMA };
        (updates || scenario.real_ollama && !env.ollama.real).then_some(reason)
    };
    let (possible, impossible): (Vec<&Scenario>, Vec<&Scenario>) = scenarios
        .iter()
        .partition(|scenario| hindrance(scenario).is_none());
    let results = jobs.run(&Plan::new(&possible));
    if options.keep {
        outln!("kept: {}", folder.keep().display());
    }
    let mut results = results?;
    results.scenarios.extend(
        impossible.iter().filter_map(|scenario| {
            Some(unavailable(scenario, &env.contract, hindrance(scenario)?))
        }),
    );
    results.scenarios.sort_by_key(|report| {
        SCENARIOS
            .iter()
            .position(|scenario| scenario.name == report.name)
    });
    let report = Report {
        variant: variant.map(|variant| variant.name.clone()),
        guest: env.guest.kind.to_string(),
        accelerator: env.accelerator.to_string(),
        nixpkgs: env.nixpkgs.clone(),
        commit: git.state_since(commit),
        verdict: outcome::verdict(&results.scenarios),
        seconds: start.elapsed().as_secs_f64(),
        boots: results.boots.len(),
        boot_seconds: results.boots.iter().sum::<Duration>().as_secs_f64(),
        scenarios: results.scenarios,
        tallies: results.tallies,
        failures: results.failures,
    };
    if variant.is_none() {
        report::remember(&cache, &report)?;
    }
    outln!("{}", report::summary(&report));
    if let Some(file) = &options.json {
        write(file, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(file) = &options.junit {
        write(file, &report::junit(&report, started.fixed_offset())?)?;
    }
    if let Some(file) = &options.html {
        write(file, &report::html(&report))?;
    }
    report::publish(&report, SOURCES, |name| std::env::var(name).ok())?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variant_has_files_of_its_own() {
        let name = |file: &str| beside(Path::new(file), "no-drive").display().to_string();
        assert_eq!(name("out/report.json"), "out/report-no-drive.json");
        assert_eq!(name("report"), "report-no-drive");
    }
}
