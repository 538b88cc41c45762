//! A shell in the guest that stays open over one SSH connection: many commands share a round trip.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{self, Group, check_interrupt};

/// The result of one command in a [`Shell`].
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit status.
    pub status: i32,
    /// Standard output and standard error, without the last newline.
    pub text: String,
}

impl Output {
    /// The exit status is 0.
    pub fn ok(&self) -> bool {
        self.status == 0
    }
}

/// A shell in the guest. Many commands share one round trip.
pub struct Shell {
    group: Group,
    lines: Receiver<String>,
    count: u32,
}

impl Shell {
    /// Runs `ssh`, which must start a POSIX shell, and waits until that answers.
    ///
    /// # Errors
    /// The client cannot be started or ends, or `deadline` passes.
    pub fn start(mut ssh: Command, deadline: Duration) -> Result<Self> {
        ssh.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        process::tie_to_us(&mut ssh);
        let mut child = ssh.spawn().context("cannot start ssh")?;
        let (sender, lines) = channel();
        let stdout = child.stdout.take().context("ssh has no output")?;
        let stderr = child.stderr.take().context("ssh has no error output")?;
        let errors = sender.clone();
        thread::spawn(move || forward(BufReader::new(stdout), &sender));
        // The client's own messages explain why a shell ended.
        thread::spawn(move || forward(BufReader::new(stderr), &errors));
        let mut shell = Shell {
            group: Group(child),
            lines,
            count: 0,
        };
        shell.run("true", deadline)?;
        Ok(shell)
    }

    /// Runs one command line.
    pub fn run(&mut self, command: &str, deadline: Duration) -> Result<Output> {
        let mut outputs = self.batch(&[command], deadline)?;
        Ok(outputs.remove(0))
    }

    /// Runs every command line in a subshell of its own, in one round trip.
    ///
    /// # Errors
    /// The connection ends, or `deadline` (for all of them) passes.
    pub fn batch(&mut self, commands: &[&str], deadline: Duration) -> Result<Vec<Output>> {
        self.count += 1;
        let mark = format!("@@{}-{:04}", std::process::id(), self.count);
        let mut script = String::new();
        for command in commands {
            // The newline before the mark puts it on a line of its own; the reader removes it.
            script.push_str(&format!(
                "( {command}\n) </dev/null 2>&1; printf '\\n{mark} %d\\n' $?\n"
            ));
        }
        let stdin = self
            .group
            .0
            .stdin
            .as_mut()
            .context("the shell has no input")?;
        stdin
            .write_all(script.as_bytes())
            .and_then(|()| stdin.flush())
            .context("the SSH connection has ended")?;
        let end = Instant::now() + deadline;
        commands
            .iter()
            .map(|command| self.read_output(&mark, command, end))
            .collect()
    }

    fn read_output(&mut self, mark: &str, command: &str, end: Instant) -> Result<Output> {
        let mut lines: Vec<String> = Vec::new();
        loop {
            check_interrupt()?;
            match self.lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => match line.strip_prefix(mark) {
                    Some(status) => {
                        let status = status
                            .trim()
                            .parse()
                            .context("the shell's status is not a number")?;
                        let text = lines.join("\n").trim_end_matches('\n').to_string();
                        return Ok(Output { status, text });
                    }
                    None => lines.push(line),
                },
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
                Err(RecvTimeoutError::Timeout) => {
                    bail!("no answer in time to: {}", first_line(command))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!(
                        "the SSH connection ended during: {} ({})",
                        first_line(command),
                        lines.join(" ").trim()
                    )
                }
            }
        }
    }
}

fn first_line(command: &str) -> &str {
    command.lines().next().unwrap_or(command)
}

fn forward(reader: impl BufRead, sender: &Sender<String>) {
    for line in reader.split(b'\n') {
        let Ok(line) = line else { break };
        if sender
            .send(String::from_utf8_lossy(&line).into_owned())
            .is_err()
        {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_its_own_output_and_status() {
        let mut command = process::command("sh");
        command.arg("-s");
        let deadline = Duration::from_secs(10);
        let mut shell = Shell::start(command, deadline).unwrap();
        let outputs = shell
            .batch(
                &["echo one; echo two >&2", "printf none; exit 7", "cat"],
                deadline,
            )
            .unwrap();
        assert_eq!(
            (outputs[0].status, outputs[0].text.as_str()),
            (0, "one\ntwo")
        );
        assert_eq!((outputs[1].status, outputs[1].text.as_str()), (7, "none"));
        assert!(
            outputs[2].ok() && outputs[2].text.is_empty(),
            "a command must not read the next one's text"
        );
        let late = shell
            .run("sleep 30", Duration::from_millis(300))
            .unwrap_err();
        assert!(
            late.to_string()
                .starts_with("no answer in time to: sleep 30")
        );
    }
}
