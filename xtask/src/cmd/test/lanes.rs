//! The lanes of a plan, each on a machine of its own.

use std::fs;
use std::io::{IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, Result};

use crate::outcome::{ScenarioOutcome, Tally, Verdict};
use crate::parallel::{self, Queue};
use crate::report::{self, Dossier, Watcher};
use crate::scenario::{Context, Plan, Scenario, VmJob, judge_all, promises_of, switch_on};
use crate::test_env::TestEnv;
use crate::test_machine::{SavedMachine, TestMachine};
use vm::process;
use vm::{Door, Ended, Machine};

/// How lanes are run.
pub struct Lanes<'a> {
    pub bench: &'a TestEnv,
    /// Takes the machines' disks and logs.
    pub folder: &'a Path,
    pub watcher: &'a Watcher,
    /// Where what is known of failures is kept; the run's own `folder` may be gone then.
    pub kept: PathBuf,
    /// How many machines run at the same time.
    pub jobs: usize,
    /// How often each is run.
    pub times: usize,
    /// Let people in where a promise is broken.
    pub debug: bool,
    /// Leave the machines' disks until the end of the run.
    pub keep_disks: bool,
}

/// What all lanes came to.
#[derive(Default)]
pub struct Outcome {
    pub scenarios: Vec<ScenarioOutcome>,
    /// Of each promise, where there were several runs.
    pub tallies: Vec<Tally>,
    /// How long each boot took.
    pub boots: Vec<Duration>,
    /// One folder for each machine on which something went wrong.
    pub failures: Vec<PathBuf>,
}

/// A saved machine, and how long that took to boot.
type From = (Arc<SavedMachine>, Duration);

/// A lane to be run: on a machine that is switched on for it, or that goes on from another.
struct Task {
    number: usize,
    lane: VmJob,
    from: Option<From>,
}

impl Lanes<'_> {
    /// Runs every lane of `plan`.
    ///
    /// # Errors
    /// The first for which the run cannot go on. What is known of failures is kept in that case too.
    pub fn run(&self, plan: &Plan) -> Result<Outcome> {
        let tasks = (1..=self.times).flat_map(|number| {
            let lanes = plan.vm_jobs.iter().cloned();
            lanes.map(move |lane| Task {
                number,
                lane,
                from: None,
            })
        });
        let done = parallel::all(tasks, self.jobs, |task, queue| {
            Ok((task.number, self.once(task, queue)?))
        });
        let failures = report::keep(&self.collected(), &self.kept)?;
        let mut all = Outcome {
            failures,
            ..Outcome::default()
        };
        let mut by_run = vec![Vec::new(); self.times];
        for (number, (scenarios, boots)) in done? {
            by_run[number - 1].extend(scenarios);
            all.boots.extend(boots);
        }
        if self.times == 1 {
            all.scenarios = by_run.remove(0);
        } else {
            (all.scenarios, all.tallies) = report::merge(&by_run);
        }
        Ok(all)
    }

    /// What is known of failures, until the run has ended.
    fn collected(&self) -> PathBuf {
        self.folder.join("failures")
    }

    fn once(
        &self,
        task: Task,
        queue: &Queue<Task>,
    ) -> Result<(Vec<ScenarioOutcome>, Vec<Duration>)> {
        let Task { number, lane, from } = &task;
        let name = match self.times {
            1 => lane.name.clone(),
            _ => format!("{}-{number}", lane.name),
        };
        let folder = self.folder.join(&name);
        let bench = self.bench;
        let view = self.watcher.lane(&name);
        let dossier = Dossier::new(self.collected().join(&name), &view);
        let gone_on = from
            .as_ref()
            .and_then(|from| self.go_on(from, &folder, &name));
        let (mut machine, boot) = match gone_on {
            Some((machine, took)) => (machine, Ok(took)),
            None => {
                let mut machine = bench.machine(lane.disks, folder.clone(), (0, 0))?;
                let boot = switch_on(&name, &mut machine, &dossier)
                    .map_err(|error| self.given_up(error, &machine.vm, &dossier, &name))?;
                (machine, boot)
            }
        };
        let judge = |machine: &mut TestMachine, scenarios: &[&'static Scenario]| {
            let promises = promises_of(scenarios);
            let key = &bench.unauthorized_key;
            let cx = Context::new(machine, &bench.contract, key, &folder);
            judge_all(&promises, &boot, cx, &dossier)
                .map_err(|error| self.given_up(error, &machine.vm, &dossier, &name))
        };
        let mut scenarios = Vec::new();
        let mut saved = None;
        let mut saveable = true;
        let mut rest = lane.scenarios.as_slice();
        while let (Ok(took), [next, later @ ..]) = (&boot, rest) {
            let mut state = None;
            if saveable && self.worth_sharing(&scenarios, rest, queue) {
                state = self.save(&mut machine, &name).map(Arc::new);
                // Said once, and not tried again.
                saveable = state.is_some();
            }
            if let Some(state) = state {
                for scenario in rest.iter().rev() {
                    queue.add(Task {
                        number: *number,
                        lane: lane.only(scenario, format!("{}-{}", lane.name, scenario.name)),
                        from: Some((Arc::clone(&state), *took)),
                    });
                }
                saved = Some(state);
                rest = &[];
            } else {
                scenarios.extend(judge(&mut machine, &[*next])?);
                rest = later;
            }
        }
        // Where there was no login, all of them are told so at once.
        scenarios.extend(judge(&mut machine, rest)?);
        dossier.conclude(&machine.vm, &scenarios)?;
        let mut promises = scenarios.iter().flat_map(|scenario| &scenario.promises);
        if self.debug && promises.any(|promise| promise.verdict != Verdict::Pass) {
            self.let_in(&mut machine.vm, &name)?;
        }
        let boots = machine.vm.boots.clone();
        // QEMU lets go of the disks first.
        drop(machine);
        if !self.keep_disks && saved.is_none() {
            // Gone with the run at the latest.
            let _ = fs::remove_dir_all(&folder);
        }
        Ok((scenarios, boots))
    }

    /// Whether others have the time to take some of `rest` from a machine on which `done` was seen. Nobody would gain by
    /// it otherwise: an emulator that goes on from a saved state has to translate the guest's code anew.
    fn worth_sharing(
        &self,
        done: &[ScenarioOutcome],
        rest: &[&'static Scenario],
        queue: &Queue<Task>,
    ) -> bool {
        let mut promises = done.iter().flat_map(|scenario| &scenario.promises);
        let sound = !done.is_empty() && promises.all(|promise| promise.verdict == Verdict::Pass);
        sound && rest.len() >= 2 && !self.keep_disks && queue.has_idle()
    }

    /// The state of `machine`; nothing where QEMU cannot save it.
    fn save(&self, machine: &mut TestMachine, name: &str) -> Option<SavedMachine> {
        machine
            .save()
            .inspect_err(|error| {
                self.watcher.say(&format!(
                    "machine {name} cannot be saved, the other scenarios run on it one by one: {error:#}"
                ));
            })
            .ok()
    }

    /// A machine that goes on from a saved one; nothing where that does not work.
    fn go_on(&self, from: &From, folder: &Path, name: &str) -> Option<(TestMachine, Duration)> {
        let (saved, booted) = from;
        match saved.resume(folder) {
            Ok((machine, took)) => {
                self.watcher.say(&format!(
                    "machine {name} goes on after {:.1} s",
                    took.as_secs_f64()
                ));
                Some((machine, *booted))
            }
            Err(error) => {
                self.watcher.say(&format!(
                    "machine {name} cannot go on from a saved one and is booted: {error:#}"
                ));
                None
            }
        }
    }

    /// Keeps what is left of a machine that the run cannot go on with; the error names the logs where they will be.
    fn given_up(&self, error: Error, machine: &Machine, dossier: &Dossier, name: &str) -> Error {
        if process::check_interrupt().is_err() {
            return error;
        }
        if let Err(lost) = dossier.give_up(machine, &error) {
            self.watcher.say(&format!("the logs are lost: {lost:#}"));
            return error;
        }
        match error.downcast::<Ended>() {
            Ok(ended) => {
                let log = self.kept.join(name).join("console.log");
                let log = log.display().to_string();
                Ended { log, ..ended }.into()
            }
            Err(other) => other,
        }
    }

    /// A person's way into a machine on which a promise is broken: a shell on the terminal, or else the addresses.
    fn let_in(&self, machine: &mut Machine, name: &str) -> Result<()> {
        let ollama = self.bench.contract.ollama.port;
        let reach = machine.how_to_reach().and_then(|ssh| {
            let port = machine.forwarded(ollama)?;
            Ok(format!(
                "{ssh}\nOllama: http://127.0.0.1:{port}/api/version"
            ))
        });
        let Ok(reach) = reach else {
            self.watcher.say(&format!(
                "machine {name} is switched off: there is no way in"
            ));
            return Ok(());
        };
        if !(stdin().is_terminal() && stderr().is_terminal()) {
            self.watcher.say(&format!(
                "a promise is broken, machine {name} stays up until Ctrl-C:\n{reach}"
            ));
            // Ctrl-C is how this ends; the report is still owed.
            let _ = machine.wait_until_off();
            process::forget_interrupt();
            return Ok(());
        }
        let door = machine.door();
        self.watcher.step_aside(|| {
            let leave = match door {
                Door::Ssh => "a shell in it; `exit` leaves",
                Door::Console => "SSH is dead, so this is its serial console; Ctrl-] leaves",
            };
            tell_aside!(
                "\na promise is broken on machine {name}: {leave} and ends the machine.\n{reach}\n"
            );
            machine.session(door)
        })
    }
}
