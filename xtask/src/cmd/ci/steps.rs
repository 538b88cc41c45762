//! The steps of `ci` and their summary.

use std::time::Instant;

use anyhow::{Result, anyhow};

use crate::error::one_line;
use crate::exit::Exit;
use vm::process;

/// The result of one step.
pub enum StepResult {
    Passed,
    /// What it means for the exit code, and why it failed.
    Failed(Exit, anyhow::Error),
    /// It could not run here, and why; never counted as passed.
    Skipped(String),
}

impl From<Exit> for StepResult {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Ok => StepResult::Passed,
            other => StepResult::Failed(other, anyhow!("see the output of this step")),
        }
    }
}

/// The steps so far: name, result, seconds.
#[derive(Default)]
pub struct Steps(Vec<(&'static str, StepResult, f64)>);

impl Steps {
    /// Runs one step. Whatever its result, the steps after it run too.
    ///
    /// # Errors
    /// Ctrl-C.
    pub fn run(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> Result<StepResult>,
    ) -> Result<()> {
        errln!("\n== {name}");
        let start = Instant::now();
        let result = step().unwrap_or_else(|error| StepResult::Failed(Exit::of(&error), error));
        process::check_interrupt()?;
        self.0.push((name, result, start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Prints the summary, and returns the exit code of all steps.
    pub fn conclude(&self) -> Exit {
        outln!("\n== summary");
        for (name, result, seconds) in &self.0 {
            outln!("{name:<32} {seconds:7.1} s  {}", describe(result));
        }
        outln!("{}", self.tally());
        self.exit()
    }

    fn tally(&self) -> String {
        let count = |wanted: fn(&StepResult) -> bool| {
            let results = self.0.iter().map(|(_, result, _)| result);
            results.filter(|result| wanted(result)).count()
        };
        format!(
            "{} passed, {} failed, {} skipped",
            count(|result| matches!(result, StepResult::Passed)),
            count(|result| matches!(result, StepResult::Failed(..))),
            count(|result| matches!(result, StepResult::Skipped(_))),
        )
    }

    /// A broken promise outweighs a failed check of the project, which outweighs a step that could not run.
    fn exit(&self) -> Exit {
        let failed = |exit: &Exit| {
            let mut results = self.0.iter().map(|(_, result, _)| result);
            results.any(|result| matches!(result, StepResult::Failed(own, _) if own == exit))
        };
        [Exit::PromiseBroken, Exit::CheckFailed, Exit::NotRun]
            .into_iter()
            .find(failed)
            .unwrap_or(Exit::Ok)
    }
}

fn describe(result: &StepResult) -> String {
    match result {
        StepResult::Passed => "passed".to_string(),
        StepResult::Failed(_, error) => format!("FAILED: {}", one_line(error)),
        StepResult::Skipped(reason) => format!("skipped: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(exits: &[Exit]) -> Steps {
        let mut steps = Steps::default();
        for exit in exits {
            steps.run("step", || Ok(StepResult::from(*exit))).unwrap();
        }
        steps
    }

    #[test]
    fn a_broken_promise_outweighs_a_failed_check() {
        use Exit::{CheckFailed, NotRun, Ok, PromiseBroken};
        assert_eq!(steps(&[]).exit(), Ok);
        assert_eq!(steps(&[Ok, Ok]).exit(), Ok);
        assert_eq!(steps(&[Ok, NotRun]).exit(), NotRun);
        assert_eq!(steps(&[NotRun, CheckFailed]).exit(), CheckFailed);
        assert_eq!(
            steps(&[CheckFailed, PromiseBroken, Ok]).exit(),
            PromiseBroken
        );
    }

    #[test]
    fn a_step_that_could_not_run_fails_and_a_skipped_one_does_not() {
        let mut steps = Steps::default();
        let broken = || Err(crate::error::usage("no disk"));
        let skipped = || Result::Ok(StepResult::Skipped("no nix".into()));
        steps.run("skipped", skipped).unwrap();
        assert_eq!(steps.exit(), Exit::Ok);
        steps.run("broken", broken).unwrap();
        assert_eq!(steps.exit(), Exit::NotRun);
        assert_eq!(steps.tally(), "0 passed, 1 failed, 1 skipped");
    }
}
