//! Sessions that ask the server for more than a command: forwardings, variables, a tunnel.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Key, LOGIN_DEADLINE, Server, VERDICT_DEADLINE, again};
use crate::process;

/// What a session printed.
#[derive(Debug)]
pub struct Session {
    /// Standard output of the command, or what came through the forwarded port.
    pub printed: String,
    /// The client's log, at the level of `ssh -v`.
    pub log: String,
}

impl Server {
    /// Logs in with `key` and runs `command`. `arguments` are the client's own: what it asks the server for;
    /// they go before the usual ones.
    /// `variables` are set for the client. An empty `command` fits arguments that run none, such as `-W`.
    ///
    /// # Errors
    /// The server does not accept the key within 150 s, or the client does not end within [`LOGIN_DEADLINE`].
    pub fn session(
        &self,
        key: &Key,
        arguments: &[&str],
        variables: &[(&str, &str)],
        command: &str,
    ) -> Result<Session> {
        let usual = self.client(&self.user);
        let mut ssh = process::command(usual.get_program());
        // OpenSSH takes the first of two settings.
        ssh.args(["-v", "-o", "BatchMode=yes", "-i"])
            .arg(&key.private)
            .args(arguments)
            .args(usual.get_args())
            .envs(variables.iter().copied())
            .arg("127.0.0.1");
        if !command.is_empty() {
            ssh.arg(command);
        }
        let start = Instant::now();
        loop {
            let end = process::finish(again(&ssh), "ssh", LOGIN_DEADLINE)?;
            if end.stderr.contains("Authenticated to ") {
                return Ok(Session {
                    printed: end.stdout,
                    log: end.stderr,
                });
            }
            // As for a login, the server may ignore the client for a while.
            if start.elapsed() > VERDICT_DEADLINE {
                let last = end.stderr.lines().last().unwrap_or("no message");
                bail!("ssh opened no session: {last}");
            }
            thread::sleep(Duration::from_secs(1));
        }
    }
}
