//! Printing that outlives its reader. The standard macros panic when the other end of a pipe is closed (`... | head`);
//! these go on without output. Output that is lost for another reason, such as a full disk, is remembered: the run goes on,
//! since its reports may still be written, and does not end as if all was well.

use std::fmt::Arguments;
use std::io::{self, Write, stderr, stdout};
use std::sync::OnceLock;

use crate::exit::Exit;

/// As `println!`.
#[macro_export]
macro_rules! outln {
    ($($words:tt)*) => { $crate::output::out(format_args!($($words)*)) };
}

/// As `eprintln!`.
#[macro_export]
macro_rules! errln {
    ($($words:tt)*) => { $crate::output::err(format_args!($($words)*)) };
}

/// Why output was lost first.
static LOST: OnceLock<String> = OnceLock::new();

/// Prints a line on standard output.
pub fn out(line: Arguments) {
    remember(writeln!(stdout(), "{line}"), "standard output");
}

/// Prints a line on standard error.
pub fn err(line: Arguments) {
    remember(writeln!(stderr(), "{line}"), "standard error");
}

/// Keeps the first error, unless it only means that the reader has left.
pub fn remember(written: io::Result<()>, stream: &str) {
    if let Some(why) = lost(written, stream) {
        let _ = LOST.set(why);
    }
}

fn lost(written: io::Result<()>, stream: &str) -> Option<String> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Some(format!("cannot write to {stream}: {error}"))
        }
        _ => None,
    }
}

/// The exit code of a run that would end with `exit`. If output was lost, that is printed once, and it is not
/// [`Exit::Ok`]: a broken promise or a failed check still outweighs it.
pub fn conclude(exit: Exit) -> Exit {
    let Some(why) = LOST.get() else {
        return exit;
    };
    let _ = writeln!(
        stderr(),
        "error: {why}; some of the output is lost: make room, and run it again"
    );
    match exit {
        Exit::Ok => Exit::NotRun,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_pipe_is_no_loss() {
        let failed = |kind: io::ErrorKind| lost(Err(kind.into()), "standard output");
        assert_eq!(lost(Ok(()), "standard output"), None);
        assert_eq!(failed(io::ErrorKind::BrokenPipe), None);
        let full = failed(io::ErrorKind::StorageFull).unwrap();
        assert!(
            full.starts_with("cannot write to standard output: "),
            "{full}"
        );
    }
}
