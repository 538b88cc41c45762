//! `bench`: measures speed and reliability.

mod figures;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use self::figures::{Figure, Figures, once, processor, repeat, within};
use crate::cli::{Bench, Measure};
use crate::disk_fixtures::DiskSetup;
use crate::error::usage;
use crate::exit::Exit;
use crate::files;
use crate::ollama_image::NO_REAL_OLLAMA;
use crate::project;
use crate::report::ConsoleReporter;
use crate::scenario::comparison::Comparison;
use crate::scenario::server_speed;
use crate::scenario::soak::{Interruption, interrupt};
use crate::scenario::{Context, Finding, PROMISES, update};
use crate::test_env::{Session, TestEnv, Wanted};
use crate::test_machine::TestMachine;
use crate::variant;
use vm::{Machine, NoLogin};

/// How long a server's first answer may take, in seconds.
const FIRST_ANSWER: f64 = 10.0;
/// Why no update is measured.
const NO_UPDATES: &str = "updates need two slots and a configuration that fetches them: add --guest nixos --variant updates";
/// Deadline for one line on the console.
const LINE: Duration = Duration::from_secs(30);

pub fn run(options: &Bench) -> Result<Exit> {
    let what = if options.what.is_empty() {
        Measure::value_variants().to_vec()
    } else {
        options.what.clone()
    };
    let console = ConsoleReporter::default();
    let variant = variant::one(&project::root()?, options.variant.as_deref())?;
    let wanted = Wanted {
        variant: variant.as_ref(),
        newer: what.contains(&Measure::Update),
        ..Wanted::from_project(
            options.guest,
            &options.nixpkgs,
            &options.consent,
            &options.ollama,
        )
    };
    let Session { folder, env, .. } = Session::prepare(wanted, &console)?;
    env.print_summary();
    let mut figures = Figures {
        guest: env.guest.kind.to_string(),
        accelerator: env.accelerator.to_string(),
        processor: processor(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        figures: Vec::new(),
        comparisons: Vec::new(),
    };
    for measure in what {
        if let Some(why) = measure.impossible(&env) {
            if !options.what.is_empty() {
                return Err(usage(why));
            }
            console.say(&format!("not measuring {measure:?}: {why}"));
            continue;
        }
        console.say(&format!("measuring {measure:?}"));
        let runs = options.runs.map_or_else(|| measure.runs(), usize::from);
        let Figures {
            figures,
            comparisons,
            ..
        } = &mut figures;
        figures.extend(take(
            measure,
            runs,
            &env,
            folder.path(),
            &console,
            comparisons,
        )?);
    }
    outln!("{figures}");
    if let Some(file) = &options.json {
        files::write(file, &serde_json::to_string_pretty(&figures)?)?;
    }
    let good = |figure: &Figure| figure.good == figure.seconds.len();
    let met = figures.comparisons.iter().all(Comparison::met);
    Ok(if met && figures.figures.iter().all(good) {
        Exit::Ok
    } else {
        Exit::PromiseBroken
    })
}

impl Measure {
    /// The default number of runs.
    fn runs(self) -> usize {
        match self {
            Measure::Assertions => 100,
            Measure::Scan | Measure::PowerCuts => 20,
            Measure::Restore | Measure::Reflashes | Measure::Server | Measure::Update => 5,
        }
    }

    /// Why it cannot be taken in `env`.
    fn impossible(self, env: &TestEnv) -> Option<&'static str> {
        match self {
            Measure::Server if !env.ollama.real => Some(NO_REAL_OLLAMA),
            Measure::Update if env.guest.newer.is_none() => Some(NO_UPDATES),
            _ => None,
        }
    }
}

fn take(
    measure: Measure,
    runs: usize,
    env: &TestEnv,
    folder: &Path,
    console: &ConsoleReporter,
    comparisons: &mut Vec<Comparison>,
) -> Result<Vec<Figure>> {
    let folder = folder.join(format!("{measure:?}"));
    let drives = match measure {
        Measure::PowerCuts | Measure::Reflashes => DiskSetup::Fresh,
        Measure::Update => DiskSetup::Updates,
        _ => DiskSetup::Complete,
    };
    let mut machine = env.machine(drives, folder.clone(), (0, 0))?;
    machine.vm.boot()?;
    // Nothing else should run on the machine while it is measured.
    machine.vm.settle()?;
    match measure {
        Measure::Assertions => assertions(&mut machine.vm, runs),
        Measure::Scan => {
            let scan = PROMISES
                .iter()
                .find(|promise| promise.id == "firewall.only-open-ports")
                .context("there is no such promise")?;
            let figure = repeat("every TCP and UDP port, IPv4 and IPv6", runs, |_| {
                let mut cx = context(env, &mut machine, &folder);
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
            let restored = repeat("from a saved machine to an SSH answer", runs, |turn| {
                let (mut machine, _) = saved.resume(&folder.join(turn.to_string()))?;
                Ok((!machine.vm.exec(&["true"])?[0].ok()).then(|| "no shell".to_string()))
            })?;
            Ok(vec![once("saving a machine", took), restored])
        }
        Measure::PowerCuts => {
            let figure = repeat("power cut, to the owner's login", runs, |turn| {
                let kinds = Interruption::POWER_CUTS;
                endure(
                    env,
                    &mut machine,
                    &folder,
                    kinds[turn % kinds.len()],
                    console,
                )
            })?;
            Ok(vec![figure])
        }
        Measure::Reflashes => {
            let figure = repeat("reflash, to the owner's login", runs, |_| {
                endure(env, &mut machine, &folder, Interruption::Reflash, console)
            })?;
            Ok(vec![figure])
        }
        Measure::Server => {
            let mut cx = context(env, &mut machine, &folder);
            let speed = server_speed::measure(&mut cx, runs)?;
            comparisons.extend(speed.comparisons);
            let what = "from the server's version to its first answer";
            Ok(vec![within(what, speed.first_answers, FIRST_ANSWER)])
        }
        Measure::Update => {
            let mut cx = context(env, &mut machine, &folder);
            cx.newer.clone_from(&env.guest.newer);
            comparisons.push(update::speed(&mut cx, runs)?);
            Ok(Vec::new())
        }
    }
}

fn endure(
    env: &TestEnv,
    machine: &mut TestMachine,
    folder: &Path,
    interruption: Interruption,
    console: &ConsoleReporter,
) -> Result<Option<String>> {
    let mut cx = context(env, machine, folder);
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
    let result = if faults.is_empty() {
        "nothing lost".to_string()
    } else {
        faults.join(", ")
    };
    console.say(&format!("{interruption:?}: {result}"));
    Ok((!faults.is_empty()).then(|| format!("{interruption:?}: {result}")))
}

/// The round trip of one command: in the root shell that checks use, and on the console.
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
fn context<'a>(env: &'a TestEnv, machine: &'a mut TestMachine, folder: &Path) -> Context<'a> {
    Context::new(machine, &env.contract, &env.unauthorized_key, folder)
}
