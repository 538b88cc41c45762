//! What turns while a machine works.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::PromiseOutcome;
use super::live::Watcher;
use crate::scenario::{Observer, Promise};
use vm::Machine;

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(120);

/// A line that turns; gone when dropped. Without a terminal there is none.
pub struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// Turns among `spinners`, if there are any.
    pub(super) fn new(spinners: Option<&MultiProgress>, name: &str) -> Self {
        let bar = spinners.map(|spinners| {
            let style = ProgressStyle::with_template(
                "{spinner:.cyan} {prefix:<16} {elapsed:>4} {wide_msg}",
            )
            .expect("the template is fixed")
            .tick_strings(&["⠋", "⠙", "⠸", "⠴", "⠦", "⠇", " "]);
            let bar = spinners.add(ProgressBar::new_spinner().with_style(style));
            bar.set_prefix(name.to_string());
            bar.enable_steady_tick(TURN);
            bar
        });
        Spinner(bar)
    }

    /// What is being done.
    pub fn step(&self, text: String) {
        if let Some(bar) = &self.0 {
            bar.set_message(text);
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// One machine's spinner, and the lines of what happens to it.
pub struct LaneView<'a> {
    watcher: &'a Watcher,
    spinner: Spinner,
}

impl<'a> LaneView<'a> {
    pub(super) fn new(watcher: &'a Watcher, spinner: Spinner) -> Self {
        LaneView { watcher, spinner }
    }
}

impl Observer for LaneView<'_> {
    fn booting(&self, machine: &str) {
        self.spinner.step("booting".into());
        self.watcher.booting(machine);
    }

    fn booted(&self, machine: &str, took: Duration) {
        self.watcher.booted(machine, took);
    }

    fn judging(&self, promise: &Promise) {
        self.spinner
            .step(format!("{}: {}", promise.scenario, promise.id));
    }

    fn judged(&self, report: &PromiseOutcome) {
        self.watcher.judged(report);
    }

    fn not_kept(&self, _: &mut Machine, _: &PromiseOutcome) {
        self.spinner
            .step("fetching the journal and a picture of the screen".into());
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    #[test]
    fn a_spinner_tells_the_step_and_is_nothing_without_a_terminal() {
        let none = Spinner::new(None, "main");
        none.step("booting".into());
        assert!(none.0.is_none());
        let hidden = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let spinner = Spinner::new(Some(&hidden), "main");
        spinner.step("ssh: ssh.root-refused".into());
        let bar = spinner.0.clone().unwrap();
        assert_eq!(bar.message(), "ssh: ssh.root-refused");
        drop(spinner);
        assert!(bar.is_finished());
    }
}
