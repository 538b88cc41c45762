//! What a failed test leaves behind: screen, journal, logs.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;

use super::exec::REACH_DEADLINE;
use super::state::Machine;
use crate::process;

/// The journal of this boot, its last 5,000 lines.
const JOURNAL: &str = "sudo -n journalctl --boot --no-pager --output=short-precise --lines=5000";
/// Fewer lines for the console, which is slow.
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

    /// The journal of this boot, by SSH, or else from the shell on the console.
    ///
    /// # Errors
    /// The machine is switched off, or answers neither way within 25 s each; the message has both reasons.
    pub fn journal(&mut self) -> Result<String> {
        self.running()?;
        let ssh_error = match self.config.login {
            Some(_) => match self.over_ssh(JOURNAL) {
                Ok(journal) => return Ok(journal),
                Err(error) => error,
            },
            None => anyhow!("no SSH login"),
        };
        process::check_interrupt()?;
        let console_error = match self.run_unlogged(SHORT_JOURNAL) {
            Ok(journal) if journal.lines().count() > 2 => return Ok(journal),
            Ok(other) => anyhow!("the console answered {other:?}"),
            Err(error) => error,
        };
        bail!("unreachable: {ssh_error:#}; {console_error:#}")
    }

    /// Runs a command line on the console and removes its output from the console's log: checks search that log for
    /// errors, and this output is not the machine's own.
    fn run_unlogged(&mut self, command: &str) -> Result<String> {
        // QEMU appends to the file, even after it was truncated.
        let log = File::options().write(true).open(self.console_log())?;
        let before = log.metadata()?.len();
        let answer = self.console()?.run(command, REACH_DEADLINE);
        log.set_len(before)?;
        answer
    }

    /// Copies the logs into `folder`; does not need the guest.
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
