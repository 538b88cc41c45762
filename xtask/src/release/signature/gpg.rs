//! Running gpg, with the user's keyring or with an empty one of its own.

use std::ffi::OsStr;
use std::io::{IsTerminal, stdin};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;
use vm::process::{self, Finished, POLL};

pub const PROGRAM: &str = "gpg";
/// gpg answers at once; the agent that it starts may take a moment.
const ASK: Step = Step {
    what: "asking gpg",
    deadline: Duration::from_secs(60),
};
/// For ending the agent, which has nothing to finish. It would also end without its folder, but not at once.
const STOP: Duration = Duration::from_secs(10);

/// What gpg is run for, and how long it may take.
#[derive(Clone, Copy)]
pub struct Step {
    pub what: &'static str,
    pub deadline: Duration,
}

/// gpg and the keys that it sees.
pub struct Gpg {
    /// None: the user's keyring.
    home: Option<Home>,
}

/// A folder that only this user can read, with the agent that gpg starts for it. Both are gone when it is dropped.
struct Home(TempDir);

impl Gpg {
    /// With the user's keyring and agent.
    pub fn of_user() -> Self {
        Gpg { home: None }
    }

    /// With a keyring that is empty and ends with this value.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn alone() -> Result<Self> {
        // A folder of mode 0700; a longer name would leave no room for the agent's socket in it.
        let folder = tempfile::Builder::new()
            .prefix("gpg-")
            .tempdir()
            .context("cannot make a folder for gpg")?;
        Ok(Gpg {
            home: Some(Home(folder)),
        })
    }

    /// Runs gpg to its end, with any exit status.
    ///
    /// # Errors
    /// It cannot be started, hangs, or Ctrl-C is pressed.
    pub fn ask(&self, arguments: &[&OsStr]) -> Result<Finished> {
        self.run(arguments, ASK)
    }

    /// As [`Gpg::ask`], for another `step`.
    ///
    /// # Errors
    /// As there.
    pub fn run(&self, arguments: &[&OsStr], step: Step) -> Result<Finished> {
        let mut gpg = process::command(PROGRAM);
        gpg.arg("--batch");
        if let Some(Home(folder)) = &self.home {
            gpg.args(["--no-options", "--no-auto-check-trustdb", "--homedir"])
                .arg(folder.path());
        }
        gpg.args(arguments);
        if let Some(terminal) = terminal() {
            gpg.env("GPG_TTY", terminal);
        }
        process::finish(gpg, step.what, step.deadline)
    }

    /// As [`Gpg::ask`], for arguments and one file.
    ///
    /// # Errors
    /// As there.
    pub fn on_file(&self, arguments: &[&str], file: &Path) -> Result<Finished> {
        let mut all: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        all.extend([OsStr::new("--"), file.as_os_str()]);
        self.ask(&all)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for stop in [&["--kill", "all"][..], &["--remove-socketdir"]] {
            let mut gpgconf = process::command("gpgconf");
            gpgconf.arg("--homedir").arg(self.0.path()).args(stop);
            finish_in_spite_of_ctrl_c(gpgconf);
        }
    }
}

/// [`process::finish`] would stop at once after Ctrl-C, which is when this runs.
fn finish_in_spite_of_ctrl_c(mut command: Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Ok(child) = process::tie_to_us(&mut command).spawn() else {
        return;
    };
    let mut group = process::Group(child);
    let end = Instant::now() + STOP;
    while Instant::now() < end && matches!(group.0.try_wait(), Ok(None)) {
        thread::sleep(POLL);
    }
}

/// The terminal that a passphrase can be asked for on. gpg looks at its standard input, which is closed.
fn terminal() -> Option<std::path::PathBuf> {
    let here = stdin().is_terminal() && std::env::var_os("GPG_TTY").is_none();
    here.then(|| std::fs::read_link("/proc/self/fd/0").ok())?
}

/// Whether a person can be asked for a passphrase: on a terminal or in a window.
pub fn can_ask() -> bool {
    stdin().is_terminal()
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// The last line that gpg printed, where it has said nothing more useful.
pub fn last_line(finished: &Finished) -> String {
    let last = finished.stderr.lines().rev().map(str::trim);
    last.into_iter()
        .find(|line| !line.is_empty())
        .map_or_else(|| finished.status.to_string(), str::to_string)
}

/// The version of gpg; None where it is not installed.
pub fn version() -> Option<String> {
    let mut gpg = process::command(PROGRAM);
    gpg.arg("--version");
    let text = process::run(gpg, ASK.what, ASK.deadline).ok()?;
    text.lines().next().map(str::to_string)
}
