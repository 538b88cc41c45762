//! Questions on the terminal.

use std::io::{Write, stderr, stdin};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use vm::process;

/// Prints `question` on standard error, and returns the line that is typed.
///
/// # Errors
/// Ctrl-C.
pub fn ask(question: &str) -> Result<String> {
    eprint!("{question}");
    stderr().flush()?;
    // Ctrl-C does not end a read, so another thread reads.
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = stdin().read_line(&mut line);
        let _ = sender.send(line);
    });
    loop {
        process::check_interrupt()?;
        match answer.recv_timeout(process::POLL) {
            Ok(line) => return Ok(line.trim().to_string()),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(error) => return Err(error).context("cannot read the answer"),
        }
    }
}
