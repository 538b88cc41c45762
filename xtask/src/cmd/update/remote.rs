//! The machine, over SSH. No signature is needed: the account that logs in may change the system anyway.

use std::io::{self, Write};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use stick::monitor::{Monitor, Pass};
use stick::update::Update;
use vm::process::{self, Finished};

use super::host::Host;
use super::payload::Payload;
use super::reply::{self, Examined, Pushed, Sent};
use crate::error::usage;
use crate::update_state::State;

/// The timeout of one query.
const ASK: Duration = Duration::from_secs(60);
/// The timeout of an examination: the machine may have to wait for its ESP first.
const EXAMINE: Duration = Duration::from_secs(300);
/// The timeout of sending: 2 GB over slow Wi-Fi, written to a slow stick. A lost connection is noticed earlier.
const PUSH: Duration = Duration::from_secs(3 * 3600);

/// A machine that ssh can log in to.
pub struct Remote {
    pub host: Host,
}

impl Remote {
    /// The machine that ssh knows as `host`. Connects to nothing yet.
    ///
    /// # Errors
    /// ssh is not installed.
    pub fn new(host: Host) -> Result<Self> {
        which::which("ssh").map_err(|_| {
            usage("there is no ssh on the PATH: install OpenSSH's client (Debian: openssh-client)")
        })?;
        Ok(Remote { host })
    }

    /// `ollamalive update` on the machine. Every call opens a connection of its own: a shared one (ControlMaster) would not end
    /// when the machine restarts.
    fn command(&self, flags: &[&str]) -> Command {
        let mut ssh = process::command("ssh");
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=15",
            "ServerAliveInterval=10",
            "ServerAliveCountMax=3",
            "ControlPath=none",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.args(self.host.arguments())
            .args(["sudo", "-n", "ollamalive", "update"])
            .args(flags);
        ssh
    }

    /// The machine's state; or, as the inner error, why it cannot be read.
    ///
    /// # Errors
    /// Ctrl-C.
    pub fn try_state(&self) -> Result<Result<State, String>> {
        let asked = process::finish(self.command(&["--state"]), "asking the machine", ASK);
        process::check_interrupt()?;
        Ok(match asked {
            Ok(finished) => reply::state(&answer(&finished), &self.host),
            Err(error) => Err(format!("{error:#}")),
        })
    }

    /// The machine's state.
    ///
    /// # Errors
    /// It cannot be reached, or is not an OllamaLive machine that can be updated.
    pub fn state(&self) -> Result<State> {
        self.try_state()?.map_err(usage)
    }

    /// Whether the machine would take `update`.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn examine(&self, update: &Update) -> Result<Examined> {
        let text = serde_json::to_string(update)?;
        let (finished, _) = process::feed(
            self.command(&["--examine"]),
            "asking the machine about the update",
            EXAMINE,
            move |mut stdin| stdin.write_all(text.as_bytes()),
            &mut || {},
        )?;
        reply::examined(&answer(&finished), &self.host).map_err(usage)
    }

    /// Sends `payload`, and has the machine install it. `flags` are more options of the machine's command.
    ///
    /// # Errors
    /// The update's files cannot be read, or Ctrl-C.
    pub fn push(&self, payload: &Payload, flags: &[&str], monitor: &dyn Monitor) -> Result<Pushed> {
        let command = self.command(&[&["--pushed"], flags].concat());
        let (sent, mut shown) = (AtomicU64::new(0), 0);
        monitor.begin(Pass::Send, payload.bytes());
        let (finished, written) = process::feed(
            command,
            "sending the update",
            PUSH,
            |stdin| {
                payload.write_tar(Counted {
                    to: stdin,
                    count: &sent,
                })
            },
            &mut || {
                let now = sent.load(Ordering::Relaxed).min(payload.bytes());
                monitor.advance(now - shown);
                shown = now;
            },
        )?;
        let written = match written {
            Ok(()) => Sent::All,
            Err(error) if super::is_closed(&error) => Sent::Part,
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "cannot read {}, and nothing has changed on {}",
                        payload.from(),
                        self.host
                    )
                });
            }
        };
        if written == Sent::All {
            monitor.end(Pass::Send);
        }
        Ok(reply::pushed(written, &answer(&finished)))
    }
}

fn answer(finished: &Finished) -> reply::Answer<'_> {
    reply::Answer {
        code: finished.status.code(),
        stdout: &finished.stdout,
        stderr: &finished.stderr,
    }
}

/// Counts the bytes written.
struct Counted<'a, W> {
    to: W,
    count: &'a AtomicU64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.count.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
