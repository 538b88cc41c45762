//! Progress on standard error: a line for each event, and on a terminal a spinner for each machine.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdout};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::spinner::Spinner;
use super::{PromiseOutcome, Verdict};

/// Prints a line on standard error for each event.
pub struct ConsoleReporter {
    start: Instant,
    colour: bool,
    /// `None` where standard error is not an interactive terminal.
    spinners: Option<MultiProgress>,
    /// Lines that wait while [`step_aside`](Self::step_aside) has the terminal.
    held: Mutex<Option<Vec<String>>>,
    /// Held by the one who has the terminal.
    terminal: Mutex<()>,
}

impl Default for ConsoleReporter {
    fn default() -> Self {
        let interactive = interactive(stderr().is_terminal(), |name| std::env::var_os(name));
        ConsoleReporter {
            start: Instant::now(),
            colour: colourful(stderr().is_terminal(), |name| std::env::var_os(name)),
            spinners: interactive
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

/// Colour is for terminals, unless NO_COLOR is set (no-color.org).
fn colourful(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    terminal && variable("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Spinners are not for a file, a CI service's log, or a terminal that cannot move its cursor.
fn interactive(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let in_ci = variable("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let dumb = variable("TERM").is_none_or(|value| value == "dumb");
    !in_ci && !dumb && colourful(terminal, variable)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConsoleReporter {
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
            // Fails only if the terminal is gone.
            Some(spinners) => {
                let _ = spinners.println(line);
            }
            None => errln!("{line}"),
        }
    }

    /// A spinner called `name`; it turns until it is dropped.
    pub fn spinner(&self, name: &str) -> Spinner {
        Spinner::new(self.spinners.as_ref(), name)
    }

    /// Leaves the terminal to `work`: spinners are hidden, and lines wait until it returns.
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

/// Events of a run.
impl ConsoleReporter {
    pub fn booting(&self, machine: &str) {
        self.say(&format!("{machine}: booting"));
    }

    /// The machine `machine` took `took` from power on to its first SSH login.
    pub fn ssh_ready(&self, machine: &str, took: Duration) {
        self.say(&format!(
            "{machine}: SSH ready after {:.1} s",
            took.as_secs_f64()
        ));
    }

    pub fn judged(&self, promise: &PromiseOutcome) {
        let word = promise.verdict.word();
        let code = match promise.verdict {
            Verdict::Pass => 32,
            Verdict::Fail => 31,
            Verdict::Skip | Verdict::Unavailable => 33,
            Verdict::NotApplicable => 90,
        };
        let word = if self.colour {
            format!("\x1b[{code}m{word}\x1b[0m")
        } else {
            word.to_string()
        };
        self.say(&format!(
            "{word} {} ({:.1} s): {}",
            promise.id, promise.seconds, promise.evidence
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
    fn spinners_are_for_interactive_terminals() {
        assert!(interactive(true, with("", "")));
        assert!(interactive(true, with("CI", "false")));
        assert!(interactive(true, with("NO_COLOR", "")));
        assert!(!interactive(false, with("", "")));
        assert!(!interactive(true, with("CI", "true")));
        assert!(!interactive(true, with("NO_COLOR", "1")));
        assert!(!interactive(true, with("TERM", "dumb")));
        assert!(colourful(true, with("CI", "true")));
        assert!(!colourful(true, with("NO_COLOR", "1")));
    }

    fn reporter(spinners: Option<MultiProgress>) -> ConsoleReporter {
        ConsoleReporter {
            start: Instant::now(),
            colour: false,
            spinners,
            held: Mutex::new(None),
            terminal: Mutex::new(()),
        }
    }

    #[test]
    fn lines_wait_while_another_program_has_the_terminal() {
        let hidden = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        for reporter in [reporter(None), reporter(Some(hidden))] {
            let waiting = reporter.step_aside(|| {
                reporter.say("one");
                reporter.say("two");
                lock(&reporter.held).as_ref().map(Vec::len)
            });
            assert_eq!(waiting, Some(2));
            assert!(lock(&reporter.held).is_none());
        }
    }
}
