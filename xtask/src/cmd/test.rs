//! `test`: boots the appliance and checks its promises.

mod vm_jobs;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::Local;
use vm::process;

use self::vm_jobs::JobRunner;
use crate::cli::{GuestChoice, Test};
use crate::error::{LISTED, one_line, unknown, usage};
use crate::exit::Exit;
use crate::files::{require_writable, write};
use crate::git::Git;
use crate::guest::GuestKind;
use crate::ollama_image::NO_REAL_OLLAMA;
use crate::outcome::{self, Report, Verdict};
use crate::project;
use crate::report::{self, ConsoleReporter, SourceFile};
use crate::scenario::{PROMISES, Plan, SCENARIOS, Scenario, promises_of, scenario, unavailable};
use crate::test_env::{Session, Wanted};
use crate::variant::{self, Variant};

/// The list of promises, to which annotations on GitHub point.
const SOURCE: SourceFile = SourceFile {
    path: "xtask/src/scenario/promises.rs",
    text: include_str!("../scenario/promises.rs"),
};

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
        keep_disks: options.keep,
    };
    let (possible, impossible): (Vec<&Scenario>, Vec<&Scenario>) = scenarios
        .iter()
        .partition(|scenario| env.ollama.real || !scenario.real_ollama);
    let results = jobs.run(&Plan::new(&possible));
    if options.keep {
        outln!("kept: {}", folder.keep().display());
    }
    let mut results = results?;
    results.scenarios.extend(
        impossible
            .iter()
            .map(|scenario| unavailable(scenario, &env.contract, NO_REAL_OLLAMA)),
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
    report::publish(&report, SOURCE, |name| std::env::var(name).ok())?;
    Ok(report)
}

/// What `--list` prints. Promises that a plain run leaves out are marked.
fn list(scenarios: &[&'static Scenario]) -> String {
    let mut table = report::table(&["scenario", "promise", "needs", "what is promised"]);
    let (mut all, mut with_fault) = (0, 0);
    for promise in promises_of(scenarios) {
        let of = scenario(promise.scenario);
        let fault = of.is_some_and(|scenario| scenario.fault);
        let needs = match of {
            Some(Scenario { fault: true, .. }) => "--fault",
            Some(Scenario {
                real_ollama: true, ..
            }) => "--ollama",
            _ => "",
        };
        table.add_row([promise.scenario, promise.id, needs, promise.sentence]);
        all += 1;
        with_fault += usize::from(fault);
    }
    let note = match with_fault {
        0 => String::new(),
        _ => format!(
            "; {with_fault} of them are checked only with --fault, or if their scenario is named"
        ),
    };
    format!("{table}\n{all} promises{note}")
}

/// The scenarios of the promises that failed last, on the guest that `options` name or on any.
fn failed_last(options: &Test) -> Result<Vec<&'static Scenario>> {
    let guest = match options.guest {
        GuestChoice::Auto => None,
        GuestChoice::Standin => Some(GuestKind::Standin.to_string()),
        GuestChoice::Nixos => Some(GuestKind::Nixos.to_string()),
    };
    let known = PROMISES.iter().map(|promise| promise.id);
    let failed = report::failed_last(&project::cache()?, guest.as_deref(), known);
    if failed.is_empty() {
        return Err(usage(
            "no promise failed in the last run: leave out --rerun to check all",
        ));
    }
    outln!("failed last: {}", failed.join(", "));
    let names: Vec<String> = PROMISES
        .iter()
        .filter(|promise| failed.contains(&promise.id))
        .map(|promise| promise.scenario.to_string())
        .collect();
    chosen(&names, false)
}

/// The scenarios called `names`, or all; those that inject faults only by name or with `fault`.
fn chosen(names: &[String], fault: bool) -> Result<Vec<&'static Scenario>> {
    let by_default = |scenario: &&Scenario| names.is_empty() && !scenario.fault;
    for name in names {
        if scenario(name).is_none() {
            let known = SCENARIOS.iter().map(|scenario| scenario.name);
            return Err(unknown("scenario", name, known, LISTED));
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
    fn every_promise_has_a_line_in_the_source() {
        for promise in PROMISES {
            let at = SOURCE.line(promise.id).expect(promise.id);
            let line = SOURCE.text.lines().nth(at - 1).unwrap();
            assert!(line.contains(promise.id), "{line}");
        }
        assert_eq!(SOURCE.line("ssh.no-such-promise"), None);
    }

    #[test]
    fn the_list_marks_what_only_fault_runs() {
        let all = list(&chosen(&[], true).unwrap());
        let line = |id: &str| all.lines().find(|line| line.contains(id)).unwrap();
        assert!(line("fault.drive-pulled").contains("--fault"), "{all}");
        assert!(!line("ssh.root-refused").contains("--fault"), "{all}");
        assert!(all.ends_with("if their scenario is named"), "{all}");
        let some = list(&chosen(&["ssh".to_string()], false).unwrap());
        assert!(some.ends_with(" promises"), "{some}");
    }

    #[test]
    fn each_variant_has_files_of_its_own() {
        let name = |file: &str| beside(Path::new(file), "no-drive").display().to_string();
        assert_eq!(name("out/report.json"), "out/report-no-drive.json");
        assert_eq!(name("report"), "report-no-drive");
    }

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
        let far = chosen(&["zebra".to_string()], false).err().unwrap();
        assert_eq!(
            far.to_string(),
            r#"there is no scenario "zebra": --list shows all"#
        );
        assert_eq!(chosen(&["ssh".to_string()], false).unwrap().len(), 1);
        assert_eq!(chosen(&["faults".to_string()], false).unwrap().len(), 1);
        assert_eq!(chosen(&["ssh".to_string()], true).unwrap().len(), 4);
        assert_eq!(chosen(&[], true).unwrap().len(), SCENARIOS.len());
        assert_eq!(chosen(&[], false).unwrap().len(), SCENARIOS.len() - 3);
    }
}
