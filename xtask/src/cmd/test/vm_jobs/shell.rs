//! `--debug`: a person explores the machine on which a promise is broken.

use std::io::{IsTerminal, stderr, stdin};

use anyhow::Result;
use vm::{Door, Machine, process};

use super::JobRunner;

impl JobRunner<'_> {
    /// A shell in a machine on which a promise is broken; without a terminal, prints how to reach it.
    pub(super) fn open_shell(&self, machine: &mut Machine, name: &str) -> Result<()> {
        let ollama = self.env.contract.ollama.port;
        let reach = machine.how_to_reach().and_then(|ssh| {
            let port = machine.forwarded(ollama)?;
            Ok(format!(
                "{ssh}\nOllama: http://127.0.0.1:{port}/api/version"
            ))
        });
        let Ok(reach) = reach else {
            self.console
                .say(&format!("{name}: switched off, so no shell can be opened"));
            return Ok(());
        };
        if !(stdin().is_terminal() && stderr().is_terminal()) {
            self.console.say(&format!(
                "{name}: a promise is broken; the machine runs until Ctrl-C:\n{reach}"
            ));
            // Ctrl-C ends the wait, not the run: the report follows.
            let _ = machine.wait_until_off();
            process::forget_interrupt();
            return Ok(());
        }
        let door = machine.door();
        self.console.step_aside(|| {
            let leave = match door {
                Door::Ssh => "`exit` leaves the shell",
                Door::Console => {
                    "SSH does not answer, so this is the serial console; Ctrl-] leaves it"
                }
            };
            errln!("\n{name}: a promise is broken. {leave} and stops the machine.\n{reach}\n");
            machine.session(door)
        })
    }
}
