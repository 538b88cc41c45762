//! Programs of the operating system that are asked about disks and keys.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::monitor::Monitor;

/// Time between two looks at a child.
const POLL: Duration = Duration::from_millis(20);

/// A child that has ended: its exit status and its output.
#[derive(Debug)]
pub struct ChildOutput {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A command that starts `program`: hand it to [`run`] or [`finish`].
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn command(program: &str) -> Command {
    Command::new(program)
}

/// Runs `command` to its end and captures its output; any exit status will do.
///
/// # Errors
/// It cannot be started, `deadline` passes, or `monitor` ends the operation; the child is gone in each case.
pub fn finish(
    mut command: Command,
    what: &str,
    deadline: Duration,
    monitor: &dyn Monitor,
) -> Result<ChildOutput> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{what}: cannot start {program}"))?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let end = Instant::now() + deadline;
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) => {}
            Err(error) => break Err(error.into()),
        }
        if let Err(cancelled) = monitor.check() {
            break Err(cancelled);
        }
        if Instant::now() > end {
            let seconds = deadline.as_secs();
            break Err(anyhow::anyhow!(
                "{what}: {program} did not end within {seconds} s"
            ));
        }
        thread::sleep(POLL);
    };
    let status = ended.inspect_err(|_| {
        let _ = child.kill();
        let _ = child.wait();
    })?;
    let text = |pipe: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&pipe.join().unwrap_or_default()).into_owned()
    };
    Ok(ChildOutput {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Runs `command` and returns its standard output.
///
/// # Errors
/// As [`finish`], and when the exit status is not 0: then the last line of standard error is in the message.
pub fn run(
    command: Command,
    what: &str,
    deadline: Duration,
    monitor: &dyn Monitor,
) -> Result<String> {
    let finished = finish(command, what, deadline, monitor)?;
    if !finished.status.success() {
        let mut lines = finished.stderr.lines().rev().map(str::trim);
        let last = lines.find(|line| !line.is_empty());
        bail!(
            "{what}: {}",
            last.map_or_else(|| finished.status.to_string(), str::to_string)
        );
    }
    Ok(finished.stdout)
}
