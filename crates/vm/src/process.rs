//! Child processes that end at their deadline, on Ctrl-C, and when the harness itself is killed.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::host_error;

/// How often a child, a flag or a socket is checked.
pub const POLL: Duration = Duration::from_millis(20);
/// How long a child may take to clean up after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The run was interrupted (Ctrl-C, SIGTERM or SIGHUP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted: stopped and cleaned up, nothing is left running")]
pub struct Interrupted;

/// From now on Ctrl-C, SIGTERM and SIGHUP only set a flag. Every loop that waits checks it and returns an error, so that
/// destructors clean up.
pub fn catch_interrupts() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst)).context("cannot catch Ctrl-C")
}

/// Call it in every loop that waits.
///
/// # Errors
/// [`Interrupted`] once Ctrl-C was pressed.
pub fn check_interrupt() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        return Err(Interrupted.into());
    }
    Ok(())
}

/// Waits for `time`.
///
/// # Errors
/// [`Interrupted`] once Ctrl-C was pressed.
pub fn pause(time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        check_interrupt()?;
        thread::sleep(POLL.min(end.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

/// Clears the flag, after an interrupt that only ended a wait.
pub fn forget_interrupt() {
    INTERRUPTED.store(false, Ordering::SeqCst);
}

/// A command that starts `program`. All commands are made here, so that none is spawned without thought: hand it to
/// [`run`], [`finish`] or [`show`], or spawn it after [`tie_to_us`] (then keep it in a [`Group`]).
#[allow(clippy::disallowed_methods, reason = "the one place that may")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Makes `command` the leader of its own process group (so that Ctrl-C in the terminal reaches only the harness), and
/// makes it die with the harness even when that is killed.
pub fn tie_to_us(command: &mut Command) -> &mut Command {
    command.process_group(0);
    die_with_us(command)
}

/// Makes `command` die with the harness, but leaves it in the terminal's foreground process group.
#[expect(unsafe_code, reason = "Command::pre_exec is unsafe")]
pub fn die_with_us(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only prctl(2) is called; it is a plain system call, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from)
        })
    }
}

/// A child process with its whole group; dropping it kills the group.
pub struct Group(pub Child);

impl Group {
    /// Sends `signal` to every process of the group.
    pub fn signal(&self, signal: Signal) {
        // It fails when the whole group has ended already.
        let _ = killpg(Pid::from_raw(self.0.id() as i32), signal);
    }

    /// SIGTERM, 10 s to clean up, SIGKILL.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(POLL);
        }
        self.signal(Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// The exit status and output of a finished child.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` to its end, with any exit status, and captures its output. `what` names the step in errors.
///
/// # Errors
/// A [`crate::HostError`] when it cannot be started; `deadline` passes; [`Interrupted`]. The child has ended in each case.
pub fn finish(mut command: Command, what: &str, deadline: Duration) -> Result<Finished> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    finish_spawned(command, what, deadline)
}

/// As [`finish`], but the child writes to the terminal.
pub fn show(mut command: Command, what: &str, deadline: Duration) -> Result<ExitStatus> {
    command.stdin(Stdio::null());
    finish_spawned(command, what, deadline).map(|finished| finished.status)
}

/// As [`show`], with the standard input and output that `command` has.
pub fn redirected(command: Command, what: &str, deadline: Duration) -> Result<ExitStatus> {
    finish_spawned(command, what, deadline).map(|finished| finished.status)
}

/// As [`finish`]; `input` writes to the child's standard input, on a thread of its own, and should end when that fails: the
/// child may end early. `tick` is called many times a second meanwhile. Also returns what `input` did.
///
/// # Errors
/// As for [`finish`].
pub fn feed<T: Send>(
    mut command: Command,
    what: &str,
    deadline: Duration,
    input: impl FnOnce(ChildStdin) -> T + Send,
    tick: &mut dyn FnMut(),
) -> Result<(Finished, T)> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    thread::scope(|scope| {
        // Ends the child when it is dropped, and with it the thread, before the scope waits for that.
        let (mut group, program) = spawn(&mut command, what)?;
        let stdin = group.0.stdin.take().context("the child has no input")?;
        let writer = scope.spawn(move || input(stdin));
        let finished = wait(&mut group, &program, what, deadline, tick)?;
        let written = writer.join();
        let written = written.map_err(|_| anyhow!("{what}: writing to the child has failed"))?;
        Ok((finished, written))
    })
}

fn finish_spawned(mut command: Command, what: &str, deadline: Duration) -> Result<Finished> {
    let (mut group, program) = spawn(&mut command, what)?;
    wait(&mut group, &program, what, deadline, &mut || {})
}

/// The child and the name of its program.
fn spawn(command: &mut Command, what: &str) -> Result<(Group, String)> {
    let program = command.get_program().to_string_lossy().into_owned();
    let child = tie_to_us(command)
        .spawn()
        .map_err(|error| host_error(format!("{what}: cannot start {program}: {error}")))?;
    Ok((Group(child), program))
}

fn wait(
    group: &mut Group,
    program: &str,
    what: &str,
    deadline: Duration,
    tick: &mut dyn FnMut(),
) -> Result<Finished> {
    let stdout = drain(group.0.stdout.take());
    let stderr = drain(group.0.stderr.take());
    let end = Instant::now() + deadline;
    let status = loop {
        if let Some(status) = group
            .0
            .try_wait()
            .with_context(|| format!("{what}: cannot wait"))?
        {
            break status;
        }
        check_interrupt()?;
        tick();
        if Instant::now() > end {
            bail!(
                "{what}: {program} did not end within {} s",
                deadline.as_secs()
            );
        }
        thread::sleep(POLL);
    };
    let text = |pipe: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&pipe.join().unwrap_or_default()).into_owned()
    };
    Ok(Finished {
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
/// As [`finish`], and when the exit status is not 0: the message has the last line of standard error.
pub fn run(command: Command, what: &str, deadline: Duration) -> Result<String> {
    let finished = finish(command, what, deadline)?;
    if !finished.status.success() {
        let last = finished
            .stderr
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty());
        bail!(
            "{what}: {}",
            last.map_or_else(|| finished.status.to_string(), str::to_string)
        );
    }
    Ok(finished.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut sh = command("sh");
        sh.args(["-c", script]);
        sh
    }

    #[test]
    fn a_run_returns_the_output_or_the_last_error_line() {
        assert_eq!(
            run(sh("echo yes"), "ask", Duration::from_secs(10)).unwrap(),
            "yes\n"
        );
        let error = run(
            sh("echo one >&2; echo two >&2; exit 3"),
            "ask",
            Duration::from_secs(10),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "ask: two");
    }

    #[test]
    fn a_deadline_kills_the_whole_group() {
        let error = run(
            sh("sleep 77.125 & wait"),
            "sleep",
            Duration::from_millis(200),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "sleep: sh did not end within 0 s");
        let left = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            std::fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| line == b"sleep\x0077.125\0")
        });
        assert!(!left, "the grandchild is still running");
    }

    #[test]
    fn a_child_gets_its_input_and_may_end_before_it() {
        use std::io::Write;
        let fed = |script: &str| {
            let input = |mut stdin: ChildStdin| stdin.write_all(&vec![b'x'; 1 << 20]);
            let (mut ticks, deadline) = (0, Duration::from_secs(10));
            feed(sh(script), "feed", deadline, input, &mut || ticks += 1).unwrap()
        };
        let (finished, written) = fed("wc -c");
        assert_eq!(finished.stdout.trim(), "1048576");
        assert!(written.is_ok());
        let (finished, written) = fed("exit 3");
        assert_eq!(finished.status.code(), Some(3));
        assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
        let input = |mut stdin: ChildStdin| stdin.write_all(&vec![b'x'; 1 << 20]);
        let deadline = Duration::from_millis(200);
        let late = feed(sh("sleep 77.375"), "feed", deadline, input, &mut || {});
        assert!(late.unwrap_err().to_string().contains("did not end"));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(command("no-such-program"), "look", Duration::from_secs(1)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("look: cannot start no-such-program"),
            "{error}"
        );
    }
}
