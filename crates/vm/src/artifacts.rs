//! What is known of a machine, for whoever wants to know why it broke a promise.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;

use crate::machine::Machine;
use crate::process;

/// How long a guest that may be past answering is waited for, by SSH and then once more on its console.
const REACH: Duration = Duration::from_secs(25);
/// The journal of this boot; who reads more lines than these will want the machine itself.
const JOURNAL: &str = "sudo -n journalctl --boot --no-pager --output=short-precise --lines=5000";
/// The same on the console, which is slow.
const SHORT_JOURNAL: &str =
    "sudo -n journalctl --boot --no-pager --output=short-precise --lines=500";

impl Machine {
    /// Takes a picture of the screen, as PNG.
    ///
    /// # Errors
    /// The machine is switched off, or its QEMU cannot write PNG (before 7.1, or built without).
    pub fn screenshot(&mut self, file: &Path) -> Result<()> {
        let arguments = json!({ "filename": file, "format": "png" });
        let qmp = &mut self.running()?.qemu.qmp;
        qmp.execute("screendump", arguments).map(drop)
    }

    /// Runs one command line as the owner, over a connection of its own, and returns what it writes.
    pub(crate) fn over_ssh(&mut self, command: &str) -> Result<String> {
        let mut ssh = self.ssh_client()?;
        ssh.args(["-o", "BatchMode=yes", "127.0.0.1", command]);
        process::run(ssh, "ssh", REACH)
    }

    /// The client, with the owner's key; where to and what for is still to be added.
    pub(crate) fn ssh_client(&mut self) -> Result<Command> {
        let server = self.server()?;
        let mut ssh = server.client(&server.user);
        ssh.args(["-o", "LogLevel=ERROR", "-i"])
            .arg(&self.config.login.key.private);
        Ok(ssh)
    }

    /// The journal of this boot, by SSH, or else from the shell on the console.
    ///
    /// # Errors
    /// The machine is switched off, or answers on neither within half a minute each; both reasons are named.
    pub fn journal(&mut self) -> Result<String> {
        self.running()?;
        let by_ssh = match self.over_ssh(JOURNAL) {
            Ok(journal) => return Ok(journal),
            Err(error) => error,
        };
        process::check_interrupt()?;
        let on_console = match self.aside_on_console(SHORT_JOURNAL) {
            Ok(journal) if journal.lines().count() > 2 => return Ok(journal),
            Ok(refused) => anyhow!("the console answered {refused:?}"),
            Err(error) => error,
        };
        bail!("unreachable: {by_ssh:#}; {on_console:#}")
    }

    /// Runs a command line on the console and takes it out of the console's log again: what it writes was not the
    /// machine's own news, and checks look for bad news there.
    fn aside_on_console(&mut self, command: &str) -> Result<String> {
        // QEMU appends, wherever the end is.
        let log = File::options()
            .write(true)
            .open(self.folder.join("console.log"))?;
        let before = log.metadata()?.len();
        let answer = self.console()?.run(command, REACH);
        log.set_len(before)?;
        answer
    }

    /// Copies the logs into `folder`; asks nothing of the guest.
    pub fn leave_logs(&self, folder: &Path) -> Result<()> {
        for log in ["console.log", "qemu.log", "qemu.command"] {
            let from = self.folder.join(log);
            if from.exists() {
                fs::copy(&from, folder.join(log))
                    .with_context(|| format!("cannot copy {}", from.display()))?;
            }
        }
        Ok(())
    }
}
