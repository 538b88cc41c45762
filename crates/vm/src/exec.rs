//! Questions to a root shell in the machine.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::machine::{Machine, Running};
use crate::shell::{Output, Shell};
use crate::ssh::Key;

/// Questions to a root shell.
pub const EXEC_DEADLINE: Duration = Duration::from_secs(90);
/// Until the last job of a boot is done, under emulation.
pub const SETTLE_DEADLINE: Duration = Duration::from_secs(240);

/// The owner's key does not open a root shell: what has to be looked at from inside cannot be judged.
#[derive(Debug, thiserror::Error)]
#[error("no root shell: {0}")]
pub struct NoShell(pub String);

impl Running {
    /// The root shell that `owner` opens, or has opened before.
    ///
    /// # Errors
    /// [`NoShell`]
    fn shell(&mut self, owner: &Key) -> Result<&mut Shell> {
        if let Some(why) = &self.refused {
            return Err(NoShell(why.clone()).into());
        }
        if self.shell.is_none() {
            match self.server.shell(owner) {
                Ok(shell) => self.shell = Some(shell),
                Err(error) => {
                    let why = format!("{error:#}");
                    let final_word = !self.let_in && why.contains("Permission denied");
                    self.refused = final_word.then(|| why.clone());
                    return Err(NoShell(why).into());
                }
            }
            self.let_in = true;
        }
        self.shell.as_mut().context("no shell")
    }
}

impl Machine {
    /// Runs command lines as root, all in one round trip, each in a subshell of its own.
    pub fn exec(&mut self, commands: &[&str]) -> Result<Vec<Output>> {
        self.exec_within(commands, EXEC_DEADLINE)
    }

    /// As [`Machine::exec`] with a deadline of its own.
    pub fn exec_within(&mut self, commands: &[&str], deadline: Duration) -> Result<Vec<Output>> {
        let owner = self.config.login.key.clone();
        let running = self.running()?;
        let outputs = running.shell(&owner)?.batch(commands, deadline);
        if outputs.is_err() {
            // Late answers must not be taken for those of the next question.
            running.shell = None;
        }
        outputs
    }

    /// Runs one command line as root.
    ///
    /// # Errors
    /// Its exit status is not 0: then what it wrote is in the message.
    pub fn succeed(&mut self, command: &str) -> Result<String> {
        let output = self.exec(&[command])?.remove(0);
        if !output.ok() {
            bail!("`{command}` ended with {}: {}", output.status, output.text);
        }
        Ok(output.text)
    }

    /// The system's state, in systemd's words, once the last job of its boot is done.
    ///
    /// # Errors
    /// It was not done within `SETTLE_DEADLINE`, or there is no shell.
    pub fn settle(&mut self) -> Result<Output> {
        let command = "systemctl is-system-running --wait";
        Ok(self.exec_within(&[command], SETTLE_DEADLINE)?.remove(0))
    }

    /// The last boot was not over at the login: its units took `more`.
    pub fn settled(&mut self, more: Duration) {
        if let Some(boot) = self.boots.last_mut() {
            *boot += more;
        }
    }
}
