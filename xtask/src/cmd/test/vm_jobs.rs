//! Runs the jobs of a plan: each is a list of scenarios on one machine.

mod shell;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, Result};

use crate::failure_artifacts::{self, FailureArtifacts};
use crate::job_view::JobView;
use crate::outcome::{self, ScenarioOutcome, Tally, Verdict};
use crate::parallel::{self, Queue};
use crate::report::{self, ConsoleReporter};
use crate::scenario::{Context, Plan, Scenario, VmJob, judge_all, promises_of, switch_on};
use crate::test_env::TestEnv;
use crate::test_machine::{SavedMachine, TestMachine};
use vm::process;
use vm::{Ended, Machine};

/// How jobs are run.
pub struct JobRunner<'a> {
    pub env: &'a TestEnv,
    /// Holds the machines' disks and logs.
    pub folder: &'a Path,
    pub console: &'a ConsoleReporter,
    /// Where failure artifacts are kept after the run, when `folder` is gone.
    pub kept: PathBuf,
    /// Number of machines at the same time.
    pub jobs: usize,
    /// Number of runs of each job.
    pub times: usize,
    /// Open a shell in a machine on which a promise is broken.
    pub debug: bool,
    /// How long to listen to what a machine sends, where that is not the default.
    pub listen: Option<Duration>,
    /// Leave the machines' disks in `folder`.
    pub keep_disks: bool,
}

/// The results of all jobs.
#[derive(Default)]
pub struct JobResults {
    pub scenarios: Vec<ScenarioOutcome>,
    /// With several runs: the tally of each promise.
    pub tallies: Vec<Tally>,
    /// The duration of each boot.
    pub boots: Vec<Duration>,
    /// One folder of failure artifacts for each machine on which a promise was not kept.
    pub failures: Vec<PathBuf>,
}

/// A saved machine, and the time that it took to boot.
type Saved = (Arc<SavedMachine>, Duration);

/// A job that waits for its machine: one that is booted, or one that resumes from a saved one.
struct Task {
    number: usize,
    job: VmJob,
    from: Option<Saved>,
}

impl JobRunner<'_> {
    /// Runs every job of `plan`.
    ///
    /// # Errors
    /// The first with which the run cannot go on. Failure artifacts are kept in that case too.
    pub fn run(&self, plan: &Plan) -> Result<JobResults> {
        let tasks = (1..=self.times).flat_map(|number| {
            let vm_jobs = plan.vm_jobs.iter().cloned();
            vm_jobs.map(move |job| Task {
                number,
                job,
                from: None,
            })
        });
        let done = parallel::all(tasks, self.jobs, |task, queue| {
            Ok((task.number, self.once(task, queue)?))
        });
        let failures = failure_artifacts::keep(&self.collected(), &self.kept)?;
        let mut all = JobResults {
            failures,
            ..JobResults::default()
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

    /// Holds failure artifacts until the end of the run.
    fn collected(&self) -> PathBuf {
        self.folder.join("failures")
    }

    fn once(
        &self,
        task: Task,
        queue: &Queue<Task>,
    ) -> Result<(Vec<ScenarioOutcome>, Vec<Duration>)> {
        let Task { number, job, from } = &task;
        let name = match self.times {
            1 => job.name.clone(),
            _ => format!("{}-{number}", job.name),
        };
        let folder = self.folder.join(&name);
        let env = self.env;
        let view = JobView::new(self.console, &name);
        let artifacts = FailureArtifacts::new(self.collected().join(&name), &view);
        let resumed = from
            .as_ref()
            .and_then(|from| self.resume(from, &folder, &name));
        let (mut machine, boot) = match resumed {
            Some((machine, took)) => (machine, Ok(took)),
            None => {
                let mut machine = env.machine(job.disks, folder.clone(), (0, 0))?;
                let boot = switch_on(&name, &mut machine, &artifacts)
                    .map_err(|error| self.keep_logs(error, &machine.vm, &artifacts, &name))?;
                (machine, boot)
            }
        };
        let judge = |machine: &mut TestMachine, scenarios: &[&'static Scenario]| {
            let promises = promises_of(scenarios);
            let key = &env.unauthorized_key;
            let mut cx = Context::new(machine, &env.contract, key, &folder);
            cx.listen = self.listen;
            cx.newer.clone_from(&env.guest.newer);
            judge_all(&promises, &boot, cx, &artifacts)
                .map_err(|error| self.keep_logs(error, &machine.vm, &artifacts, &name))
        };
        let mut scenarios = Vec::new();
        let mut saved = None;
        let mut saveable = true;
        let mut rest = job.scenarios.as_slice();
        while let (Ok(took), [next, later @ ..]) = (&boot, rest) {
            let mut state = None;
            let share = saveable
                && !self.keep_disks
                && worth_sharing(&scenarios, rest.len(), queue.has_idle());
            if share {
                state = self.save(&mut machine, &name).map(Arc::new);
                // A failure is printed once, and saving is not tried again.
                saveable = state.is_some();
            }
            if let Some(state) = state {
                for scenario in rest.iter().rev() {
                    queue.add(Task {
                        number: *number,
                        job: job.only(scenario, format!("{}-{}", job.name, scenario.name)),
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
        // Without a login, none of them can be checked.
        scenarios.extend(judge(&mut machine, rest)?);
        artifacts.conclude(&machine.vm, &scenarios)?;
        let mut promises = scenarios.iter().flat_map(|scenario| &scenario.promises);
        if self.debug && promises.any(|promise| promise.verdict.is_open()) {
            self.open_shell(&mut machine.vm, &name)?;
        }
        let boots = machine.vm.boots.clone();
        // Ends QEMU, which has the disks open.
        drop(machine);
        if !self.keep_disks && saved.is_none() {
            // If this fails, the folder goes at the end of the run.
            let _ = fs::remove_dir_all(&folder);
        }
        Ok((scenarios, boots))
    }

    /// The saved state of `machine`; `None` if QEMU cannot save it.
    fn save(&self, machine: &mut TestMachine, name: &str) -> Option<SavedMachine> {
        machine
            .save()
            .inspect_err(|error| {
                self.console.say(&format!(
                    "{name}: cannot save the machine, so its scenarios run one by one: {error:#}"
                ));
            })
            .ok()
    }

    /// A machine that resumes from a saved one; `None` if that fails.
    fn resume(&self, from: &Saved, folder: &Path, name: &str) -> Option<(TestMachine, Duration)> {
        let (saved, booted) = from;
        match saved.resume(folder) {
            Ok((machine, took)) => {
                self.console.say(&format!(
                    "{name}: resumed after {:.1} s",
                    took.as_secs_f64()
                ));
                Some((machine, *booted))
            }
            Err(error) => {
                self.console.say(&format!(
                    "{name}: cannot resume from a saved machine, booting instead: {error:#}"
                ));
                None
            }
        }
    }

    /// Keeps the logs of a machine with which the run cannot go on; the error names their final place.
    fn keep_logs(
        &self,
        error: Error,
        machine: &Machine,
        artifacts: &FailureArtifacts,
        name: &str,
    ) -> Error {
        if process::check_interrupt().is_err() {
            return error;
        }
        if let Err(lost) = artifacts.give_up(machine, &error) {
            self.console
                .say(&format!("{name}: the logs are lost: {lost:#}"));
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
}

/// Whether a machine is worth saving, so that idle workers can run some of the `rest` scenarios on copies of it. Only a
/// sound machine is: one on which something was checked (`done`) and everything passed. Without an idle worker it would
/// only cost time: an emulator that resumes has to translate the guest's code again.
fn worth_sharing(done: &[ScenarioOutcome], rest: usize, idle: bool) -> bool {
    outcome::verdict(done) == Verdict::Pass && rest >= 2 && idle
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::sample;

    #[test]
    fn a_sound_machine_is_shared_when_a_worker_is_idle() {
        use Verdict::{Fail, Pass, Skip};
        let done = |verdicts: &[Verdict]| sample(verdicts).scenarios;
        assert!(worth_sharing(&done(&[Pass, Pass]), 2, true));
        assert!(!worth_sharing(&done(&[Pass, Pass]), 2, false));
        assert!(!worth_sharing(&done(&[Pass, Pass]), 1, true));
        assert!(!worth_sharing(&done(&[Pass, Fail]), 2, true));
        assert!(!worth_sharing(&done(&[Pass, Skip]), 2, true));
        assert!(!worth_sharing(&[], 2, true));
    }

    #[test]
    fn an_unsound_machine_is_never_shared_however_much_is_left() {
        let mut done = sample(&[Verdict::Pass]).scenarios;
        done.extend(sample(&[Verdict::Fail]).scenarios);
        assert!(!worth_sharing(&done, 20, true));
    }
}
