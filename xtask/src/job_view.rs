//! Shows the progress of one machine: a spinner, and lines on the console.

use std::time::Duration;

use vm::Machine;

use crate::outcome::PromiseOutcome;
use crate::report::{ConsoleReporter, Spinner};
use crate::scenario::{Observer, Promise};

/// The progress of one machine.
pub struct JobView<'a> {
    console: &'a ConsoleReporter,
    spinner: Spinner,
}

impl<'a> JobView<'a> {
    /// Shows the machine `name` on `console`.
    pub fn new(console: &'a ConsoleReporter, name: &str) -> Self {
        JobView {
            console,
            spinner: console.spinner(name),
        }
    }
}

impl Observer for JobView<'_> {
    fn booting(&self, machine: &str) {
        self.spinner.step("booting".into());
        self.console.booting(machine);
    }

    fn booted(&self, machine: &str, took: Duration) {
        self.console.ssh_ready(machine, took);
    }

    fn judging(&self, promise: &Promise) {
        self.spinner
            .step(format!("{}: {}", promise.scenario, promise.id));
    }

    fn judged(&self, report: &PromiseOutcome) {
        self.console.judged(report);
    }

    fn not_kept(&self, _: &mut Machine, _: &PromiseOutcome) {
        self.spinner.step("fetching journal and screenshot".into());
    }
}
