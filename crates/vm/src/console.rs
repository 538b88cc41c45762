//! The guest's serial console, through rexpect.
//!
//! rexpect waits forever without a timeout, so every wait is a loop of short ones until the deadline. It maps bytes to
//! Latin-1, so sentinels are ASCII.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rexpect::error::Error as Expect;
use rexpect::session::{Options, StreamSession};

use crate::process::check_interrupt;

/// How often a wait checks Ctrl-C and its deadline.
const SLICE_MS: u64 = 500;
/// How long to wait for a shell's answer before asking again; emulated ones are slow.
const ECHO_TIMEOUT: Duration = Duration::from_secs(10);
/// How many lines of the console an error shows.
pub const TAIL: usize = 40;

/// The console of one boot.
pub struct Console {
    session: StreamSession<UnixStream>,
    log: PathBuf,
    /// How many bytes the log had when the machine was switched on.
    log_offset: usize,
    /// The shell has answered before.
    listening: bool,
    /// [`ECHO_TIMEOUT`], shorter in tests.
    echo_timeout: Duration,
}

impl Console {
    /// `log` is the file to which QEMU appends all console output; `log_offset` is its [`log_length`] at power on.
    pub fn new(stream: UnixStream, log: &Path, log_offset: usize) -> Result<Self> {
        let options = Options::new()
            .timeout_ms(Some(SLICE_MS))
            .strip_ansi_escape_codes(true);
        let session = StreamSession::new(stream.try_clone()?, stream, options);
        Ok(Console {
            session,
            log_offset,
            listening: false,
            echo_timeout: ECHO_TIMEOUT,
            log: log.to_path_buf(),
        })
    }

    /// Waits for `pattern` (a regular expression) and returns what matched.
    ///
    /// # Errors
    /// No match within `timeout` (the message names the pattern), the console closed, or Ctrl-C.
    pub fn wait_for(&mut self, pattern: &str, timeout: Duration) -> Result<String> {
        self.find(pattern, timeout, pattern)
    }

    /// As [`Console::wait_for`], but fails at once when the console shows the text `failed`.
    pub fn wait_for_unless(
        &mut self,
        pattern: &str,
        failed: Option<&str>,
        timeout: Duration,
    ) -> Result<()> {
        let Some(failed) = failed else {
            return self.wait_for(pattern, timeout).map(drop);
        };
        let either = format!("{pattern}|{}", regex::escape(failed));
        let shown = self.find(&either, timeout, pattern)?;
        ensure!(shown != failed, "the console shows {failed:?}");
        Ok(())
    }

    fn find(&mut self, expression: &str, timeout: Duration, pattern: &str) -> Result<String> {
        let end = Instant::now() + timeout;
        loop {
            check_interrupt()?;
            match self.session.exp_regex(expression) {
                Ok((_, found)) => return Ok(found),
                Err(Expect::Timeout { .. }) if Instant::now() < end => {}
                Err(Expect::Timeout { .. }) => {
                    bail!(
                        "the console did not show /{pattern}/ within {} s",
                        timeout.as_secs()
                    )
                }
                Err(Expect::EOF { .. }) => bail!("the machine has ended"),
                Err(other) => return Err(anyhow!("console: {other}")),
            }
        }
    }

    /// Waits until the autologin shell reads its input: what is sent earlier may be discarded.
    fn wait_for_shell(&mut self, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        while !self.listening {
            self.session
                .send_line("echo VM\"\"-LISTENS")
                .map_err(|error| anyhow!("console: {error}"))?;
            match self.wait_for("VM-LISTENS", self.echo_timeout.min(timeout)) {
                Ok(_) => self.listening = true,
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => check_interrupt()?,
            }
        }
        Ok(())
    }

    /// Runs `command` in the console's autologin shell and returns its output. The exit status is ignored.
    ///
    /// # Errors
    /// It does not end within `timeout`, the console closed, or Ctrl-C.
    pub fn run(&mut self, command: &str, timeout: Duration) -> Result<String> {
        let end = Instant::now() + timeout;
        self.wait_for_shell(timeout)?;
        // Quotes split the sentinels in the line that is sent, so that its echo does not match them.
        let line = format!("echo VM\"\"-BEGIN; {command}; echo VM\"\"-END");
        self.session
            .send_line(&line)
            .map_err(|error| anyhow!("console: {error}"))?;
        let left = || end.saturating_duration_since(Instant::now());
        self.wait_for("VM-BEGIN\r*\n", left())?;
        let shown = self.wait_for("(?s).*?VM-END", left())?;
        Ok(shown
            .trim_end_matches("VM-END")
            .replace('\r', "")
            .trim()
            .to_string())
    }

    /// All console output since power on, without control sequences.
    ///
    /// # Errors
    /// The log cannot be read, or is shorter than it was at power on.
    pub fn history(&self) -> Result<String> {
        let bytes =
            fs::read(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        let since = bytes
            .get(self.log_offset..)
            .with_context(|| format!("{} was truncated", self.log.display()))?;
        Ok(clean(&String::from_utf8_lossy(since)))
    }
}

/// The current size of a console's log, in bytes; 0 if there is none yet.
pub fn log_length(log: &Path) -> usize {
    fs::metadata(log).map_or(0, |metadata| metadata.len() as usize)
}

/// The last [`TAIL`] lines of a console's log, without control sequences.
pub fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = clean(&String::from_utf8_lossy(&bytes));
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// `text` without terminal control sequences (ECMA-48) and carriage returns.
pub fn clean(text: &str) -> String {
    let sequences = regex::Regex::new(
        r"\x1b\[[0-9;?!]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[78=>cM]|\x1b\][^\x07]*\x07|\r|\x00",
    )
    .expect("the pattern is fixed");
    sequences.replace_all(text, "").into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::thread::{self, JoinHandle};

    use super::*;

    #[test]
    fn control_sequences_are_removed_and_text_is_kept() {
        assert_eq!(
            clean("\x1b[0;32m  OK  \x1b[0m] Started\r\n\x1b[?7h\x1b[!p$"),
            "  OK  ] Started\n$"
        );
    }

    #[test]
    fn the_tail_is_forty_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text: String = (0..100).map(|line| format!("line {line}\n")).collect();
        fs::write(file.path(), text).unwrap();
        let tail = tail(file.path());
        assert_eq!(tail.lines().count(), TAIL);
        assert!(tail.starts_with("line 60") && tail.ends_with("line 99"));
    }

    #[test]
    fn a_wait_for_the_login_fails_at_once_in_emergency_mode() {
        let shown = |text: &str| {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let mut console = Console::new(ours, Path::new("/nonexistent"), 0).unwrap();
            theirs.write_all(text.as_bytes()).unwrap();
            let waited = console.wait_for_unless(
                "login: ",
                Some("emergency (mode)"),
                Duration::from_secs(1),
            );
            waited.map_err(|error| error.to_string())
        };
        assert_eq!(shown("guest login: "), Ok(()));
        let failed = shown("in emergency (mode).").unwrap_err();
        assert_eq!(failed, r#"the console shows "emergency (mode)""#);
        let late = shown("emergency").unwrap_err();
        assert_eq!(late, "the console did not show /login: / within 1 s");
    }

    /// A shell behind the console: loses the first `lost` lines, echoes each later one, and runs each command of
    /// [`Console::run`] with the next of `outputs`; then it closes.
    fn fake_shell(
        mut stream: UnixStream,
        lost: usize,
        outputs: &'static [&'static str],
    ) -> JoinHandle<()> {
        thread::spawn(move || {
            let mut lines = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .skip(lost);
            let mut outputs = outputs.iter().peekable();
            while outputs.peek().is_some() {
                let line = lines.next().unwrap().unwrap();
                let result = if line.contains("BEGIN") {
                    format!("VM-BEGIN\r\n{}\r\nVM-END", outputs.next().unwrap())
                } else {
                    "VM-LISTENS".into()
                };
                let shown = format!("{line}\r\n{result}\r\n");
                stream.write_all(shown.as_bytes()).unwrap();
            }
        })
    }

    fn console() -> (Console, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let console = Console::new(ours, Path::new("/nonexistent"), 0).unwrap();
        (console, theirs)
    }

    const DEADLINE: Duration = Duration::from_secs(20);

    #[test]
    fn the_echo_of_a_command_is_not_its_output() {
        let (mut console, stream) = console();
        let shell = fake_shell(stream, 0, &["42", ""]);
        assert_eq!(console.run("echo 42", DEADLINE).unwrap(), "42");
        assert_eq!(console.run("true", DEADLINE).unwrap(), "");
        shell.join().unwrap();
        let error = console.wait_for("never", DEADLINE).unwrap_err();
        assert_eq!(error.to_string(), "the machine has ended");
    }

    #[test]
    fn a_shell_that_lost_the_first_line_is_asked_again() {
        let (mut console, stream) = console();
        console.echo_timeout = Duration::from_millis(1);
        let shell = fake_shell(stream, 1, &["42"]);
        assert_eq!(console.run("echo 42", DEADLINE).unwrap(), "42");
        shell.join().unwrap();
    }

    #[test]
    fn a_console_without_a_shell_is_an_error() {
        let (mut console, _stream) = console();
        let error = console.run("echo 42", Duration::ZERO).unwrap_err();
        let message = "the console did not show /VM-LISTENS/ within 0 s";
        assert_eq!(error.to_string(), message);
    }
}
