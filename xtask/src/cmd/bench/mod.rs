//! `bench`: how fast, and how often in a row.

mod figures;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use self::figures::{Figure, Figures, once, processor, repeat};
use super::doctor::write;
use crate::cli::{Bench, Measure};
use crate::disk_fixtures::DiskSetup;
use crate::error::Broken;
use crate::report::Watcher;
use crate::scenario::soak::{Interruption, interrupt};
use crate::scenario::{Context, Finding, PROMISES};
use crate::test_env::{Run, TestEnv, Wanted};
use crate::test_machine::TestMachine;
use vm::{Machine, NoLogin};

/// How long one line on the console may take.
const LINE: Duration = Duration::from_secs(30);

pub fn run(options: &Bench) -> Result<()> {
    let what = if options.what.is_empty() {
        Measure::value_variants().to_vec()
    } else {
        options.what.clone()
    };
    let watcher = Watcher::default();
    let wanted = Wanted::from_project(options.guest, &options.nixpkgs, &options.consent);
    let Run { folder, bench, .. } = Run::prepare(wanted, &watcher)?;
    bench.introduce();
    let mut figures = Figures {
        guest: bench.guest.kind.to_string(),
        accelerator: bench.accelerator.to_string(),
        processor: processor(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        figures: Vec::new(),
    };
    for measure in what {
        watcher.say(&format!("measuring {measure:?}"));
        let runs = options.runs.map_or_else(|| measure.runs(), usize::from);
        figures
            .figures
            .extend(take(measure, runs, &bench, folder.path(), &watcher)?);
    }
    tell!("{figures}");
    if let Some(file) = &options.json {
        write(file, &serde_json::to_string_pretty(&figures)?)?;
    }
    let good = |figure: &Figure| figure.good == figure.seconds.len();
    if figures.figures.iter().all(good) {
        Ok(())
    } else {
        Err(Broken.into())
    }
}

impl Measure {
    /// How often, unless the command line says otherwise.
    fn runs(self) -> usize {
        match self {
            Measure::Assertions => 100,
            Measure::Scan | Measure::PowerCuts => 20,
            Measure::Restore | Measure::Reflashes => 5,
        }
    }
}

fn take(
    measure: Measure,
    runs: usize,
    bench: &TestEnv,
    folder: &Path,
    watcher: &Watcher,
) -> Result<Vec<Figure>> {
    let folder = folder.join(format!("{measure:?}"));
    let drives = match measure {
        Measure::PowerCuts | Measure::Reflashes => DiskSetup::Fresh,
        _ => DiskSetup::Complete,
    };
    let mut machine = bench.machine(drives, folder.clone(), (0, 0))?;
    machine.vm.boot()?;
    // Nobody else is to be at work while it is measured.
    machine.vm.settle()?;
    match measure {
        Measure::Assertions => assertions(&mut machine.vm, runs),
        Measure::Scan => {
            let scan = PROMISES
                .iter()
                .find(|promise| promise.id == "firewall.only-open-ports")
                .context("there is no such promise")?;
            let figure = repeat("every TCP port, IPv4 and IPv6, and UDP", runs, |_| {
                let mut cx = context(bench, &mut machine, &folder);
                Ok(match (scan.check)(&mut cx)? {
                    Finding::Kept(_) => None,
                    Finding::Broken(why) => Some(why),
                })
            })?;
            Ok(vec![figure])
        }
        Measure::Restore => {
            let start = Instant::now();
            let saved = machine.save()?;
            let took = start.elapsed().as_secs_f64();
            let restored = repeat("from a saved machine to SSH's answer", runs, |turn| {
                let (mut machine, _) = saved.resume(&folder.join(turn.to_string()))?;
                Ok((!machine.vm.exec(&["true"])?[0].ok()).then(|| "no shell".to_string()))
            })?;
            Ok(vec![once("saving a machine", took), restored])
        }
        Measure::PowerCuts => {
            let figure = repeat("power cut, to the owner's login", runs, |turn| {
                let kinds = Interruption::POWER_CUTS;
                endure(
                    bench,
                    &mut machine,
                    &folder,
                    kinds[turn % kinds.len()],
                    watcher,
                )
            })?;
            Ok(vec![figure])
        }
        Measure::Reflashes => {
            let figure = repeat("reflash, to the owner's login", runs, |_| {
                endure(bench, &mut machine, &folder, Interruption::Reflash, watcher)
            })?;
            Ok(vec![figure])
        }
    }
}

fn endure(
    bench: &TestEnv,
    machine: &mut TestMachine,
    folder: &Path,
    interruption: Interruption,
    watcher: &Watcher,
) -> Result<Option<String>> {
    let mut cx = context(bench, machine, folder);
    let faults = match interrupt(&mut cx, interruption) {
        Ok(faults) => faults,
        Err(error) if error.is::<NoLogin>() => {
            // The next turn needs a machine that runs.
            machine.vm.power_cut();
            machine.swap_disks(DiskSetup::Fresh)?;
            machine.vm.boot()?;
            vec![error.to_string()]
        }
        Err(error) => return Err(error),
    };
    let told = if faults.is_empty() {
        "all is as it was".to_string()
    } else {
        faults.join(", ")
    };
    watcher.say(&format!("{interruption:?}: {told}"));
    Ok((!faults.is_empty()).then(|| format!("{interruption:?}: {told}")))
}

/// One line at a time: by the root shell that checks use, and on the console.
fn assertions(machine: &mut Machine, runs: usize) -> Result<Vec<Figure>> {
    let shell = repeat("`true` in the root shell, there and back", runs, |_| {
        Ok((!machine.exec(&["true"])?[0].ok()).then(|| "it failed".to_string()))
    })?;
    let console = repeat(
        "`true` on the console, there and back",
        runs.div_ceil(5),
        |_| machine.console()?.run("true", LINE).map(|_| None),
    )?;
    Ok(vec![shell, console])
}

/// What a check needs to run on `machine`.
fn context<'a>(bench: &'a TestEnv, machine: &'a mut TestMachine, folder: &Path) -> Context<'a> {
    Context::new(machine, &bench.contract, &bench.unauthorized_key, folder)
}
