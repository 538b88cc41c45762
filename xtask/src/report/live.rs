//! What a run says while it goes on: a line when something is known, and on a terminal a spinner for each machine.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdout};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::spinner::{LaneView, Spinner};
use super::{PromiseOutcome, Verdict};
use crate::scenario::Observer;

/// Prints a line on standard error for everything that happens.
pub struct Watcher {
    start: Instant,
    colour: bool,
    /// The spinners; none where nobody would see them turn.
    spinners: Option<MultiProgress>,
    /// Lines that wait until the terminal is given back.
    held: Mutex<Option<Vec<String>>>,
    /// Only one at a time has the terminal for itself.
    terminal: Mutex<()>,
}

impl Default for Watcher {
    fn default() -> Self {
        let alive = lively(stderr().is_terminal(), |name| std::env::var_os(name));
        Watcher {
            start: Instant::now(),
            colour: colourful(stderr().is_terminal(), |name| std::env::var_os(name)),
            spinners: alive
                .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8))),
            held: Mutex::new(None),
            terminal: Mutex::new(()),
        }
    }
}

/// Whether what is written to standard output may be coloured.
pub(super) fn coloured() -> bool {
    colourful(stdout().is_terminal(), |name| std::env::var_os(name))
}

/// Colour is for terminals, and not for those who say NO_COLOR (no-color.org).
fn colourful(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    terminal && variable("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Spinners are for people: not for a file, a CI service's log, or a terminal that cannot move its cursor.
fn lively(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let in_ci = variable("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let dumb = variable("TERM").is_none_or(|value| value == "dumb");
    !in_ci && !dumb && colourful(terminal, variable)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher {
    /// One line with the time since the start.
    pub fn say(&self, text: &str) {
        let line = format!("[{:6.1} s] {text}", self.start.elapsed().as_secs_f64());
        match &mut *lock(&self.held) {
            Some(lines) => lines.push(line),
            None => self.print(&line),
        }
    }

    fn print(&self, line: &str) {
        match &self.spinners {
            // It fails where the terminal is gone, and then nobody misses the line.
            Some(spinners) => {
                let _ = spinners.println(line);
            }
            None => tell_aside!("{line}"),
        }
    }

    /// A spinner called `name` that turns until it is dropped.
    pub fn spinner(&self, name: &str) -> Spinner {
        Spinner::new(self.spinners.as_ref(), name)
    }

    /// Follows one machine.
    pub fn lane(&self, name: &str) -> LaneView<'_> {
        LaneView::new(self, self.spinner(name))
    }

    /// Leaves the terminal to `work`: no spinner turns, and lines wait until it is done.
    pub fn step_aside<T>(&self, work: impl FnOnce() -> T) -> T {
        let _alone = lock(&self.terminal);
        *lock(&self.held) = Some(Vec::new());
        if let Some(spinners) = &self.spinners {
            let _ = spinners.clear();
            spinners.set_draw_target(ProgressDrawTarget::hidden());
        }
        let result = work();
        if let Some(spinners) = &self.spinners {
            spinners.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        }
        let lines = lock(&self.held).take().unwrap_or_default();
        lines.iter().for_each(|line| self.print(line));
        result
    }
}

impl Observer for Watcher {
    fn booting(&self, machine: &str) {
        self.say(&format!("booting machine {machine}"));
    }

    fn booted(&self, machine: &str, took: Duration) {
        self.say(&format!(
            "machine {machine} lets its owner in after {:.1} s",
            took.as_secs_f64()
        ));
    }

    fn judged(&self, report: &PromiseOutcome) {
        let word = report.verdict.word();
        let code = match report.verdict {
            Verdict::Pass => 32,
            Verdict::Fail => 31,
            Verdict::Skip => 33,
        };
        let word = if self.colour {
            format!("\x1b[{code}m{word}\x1b[0m")
        } else {
            word.to_string()
        };
        self.say(&format!(
            "{word} {} ({:.1} s): {}",
            report.id, report.seconds, report.evidence
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An environment with TERM and one more variable.
    fn with(name: &'static str, value: &'static str) -> impl Fn(&str) -> Option<OsString> {
        move |asked| match asked {
            _ if asked == name => Some(value.into()),
            "TERM" => Some("xterm".into()),
            _ => None,
        }
    }

    #[test]
    fn spinners_turn_only_where_somebody_looks() {
        assert!(lively(true, with("", "")));
        assert!(lively(true, with("CI", "false")));
        assert!(lively(true, with("NO_COLOR", "")));
        assert!(!lively(false, with("", "")));
        assert!(!lively(true, with("CI", "true")));
        assert!(!lively(true, with("NO_COLOR", "1")));
        assert!(!lively(true, with("TERM", "dumb")));
        assert!(colourful(true, with("CI", "true")));
        assert!(!colourful(true, with("NO_COLOR", "1")));
    }

    fn watcher(spinners: Option<MultiProgress>) -> Watcher {
        Watcher {
            start: Instant::now(),
            colour: false,
            spinners,
            held: Mutex::new(None),
            terminal: Mutex::new(()),
        }
    }

    #[test]
    fn lines_wait_while_somebody_has_the_terminal() {
        let hidden = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        for watcher in [watcher(None), watcher(Some(hidden))] {
            let waiting = watcher.step_aside(|| {
                watcher.say("one");
                watcher.say("two");
                lock(&watcher.held).as_ref().map(Vec::len)
            });
            assert_eq!(waiting, Some(2));
            assert!(lock(&watcher.held).is_none());
        }
    }
}
