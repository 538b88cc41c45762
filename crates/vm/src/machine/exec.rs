//! Commands in the guest over SSH: as root in a shell that stays open, or one by one as the login's user.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::state::{Machine, NoShell, Running};
use crate::process;
use crate::shell::{Output, Shell};
use crate::ssh::Key;

/// How long the commands of one [`Machine::exec`] may take together.
pub const EXEC_DEADLINE: Duration = Duration::from_secs(90);
/// How long the jobs of a boot may take after the login, under emulation.
pub const SETTLE_DEADLINE: Duration = Duration::from_secs(240);
/// How long a guest that may be unresponsive gets to answer.
pub(super) const REACH_DEADLINE: Duration = Duration::from_secs(25);

impl Running {
    /// The root shell that `key` opens, or has opened before.
    ///
    /// # Errors
    /// [`NoShell`]
    fn shell(&mut self, key: &Key) -> Result<&mut Shell> {
        if let Some(why) = &self.refused {
            return Err(NoShell(why.clone()).into());
        }
        if self.shell.is_none() {
            match self.server()?.shell(key) {
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
    ///
    /// # Errors
    /// [`NoShell`]; or the commands together take longer than [`EXEC_DEADLINE`].
    pub fn exec(&mut self, commands: &[&str]) -> Result<Vec<Output>> {
        self.exec_within(commands, EXEC_DEADLINE)
    }

    /// As [`Machine::exec`], with another deadline.
    pub fn exec_within(&mut self, commands: &[&str], deadline: Duration) -> Result<Vec<Output>> {
        let key = self.login().key.clone();
        let running = self.running()?;
        let outputs = running.shell(&key)?.batch(commands, deadline);
        if outputs.is_err() {
            // A late answer must not be taken for the next command's.
            running.shell = None;
        }
        outputs
    }

    /// Runs one command line as root and returns its output.
    ///
    /// # Errors
    /// As [`Machine::exec`], and when its exit status is not 0: then the message has its output.
    pub fn succeed(&mut self, command: &str) -> Result<String> {
        let output = self.exec(&[command])?.remove(0);
        if !output.ok() {
            bail!("`{command}` ended with {}: {}", output.status, output.text);
        }
        Ok(output.text)
    }

    /// Waits until the last job of the boot is done; returns what `systemctl is-system-running` prints.
    ///
    /// # Errors
    /// It takes longer than [`SETTLE_DEADLINE`], or there is no shell.
    pub fn settle(&mut self) -> Result<Output> {
        let command = "systemctl is-system-running --wait";
        Ok(self.exec_within(&[command], SETTLE_DEADLINE)?.remove(0))
    }

    /// Adds `more` to the last boot's time: its units were not done at the login.
    pub fn settled(&mut self, more: Duration) {
        if let Some(boot) = self.boots.last_mut() {
            *boot += more;
        }
    }

    /// Runs one command line as the login's user, over a new connection, and returns its output.
    pub(super) fn over_ssh(&mut self, command: &str) -> Result<String> {
        let mut ssh = self.ssh_client()?;
        ssh.args(["-o", "BatchMode=yes", "127.0.0.1", command]);
        process::run(ssh, "ssh", REACH_DEADLINE)
    }

    /// Runs one command line as the login's user, with a file or nothing as its standard input and output. Returns its exit
    /// status.
    ///
    /// # Errors
    /// The machine is off, `deadline` passes, or Ctrl-C.
    pub fn run_as_owner(
        &mut self,
        command: &str,
        input: Stdio,
        output: Stdio,
        deadline: Duration,
    ) -> Result<ExitStatus> {
        let mut ssh = self.ssh_client()?;
        ssh.args(["-o", "BatchMode=yes", "127.0.0.1", command])
            .stdin(input)
            .stdout(output);
        process::redirected(ssh, command, deadline)
    }

    /// An SSH client with the login's key; the destination and the command are still to be added.
    pub(super) fn ssh_client(&mut self) -> Result<Command> {
        let server = self.server()?;
        let mut ssh = server.client(&server.user);
        ssh.args(["-o", "LogLevel=ERROR", "-i"])
            .arg(&self.login().key.private);
        Ok(ssh)
    }
}
