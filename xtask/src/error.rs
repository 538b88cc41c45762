//! Errors that the user can act on, and how they are printed.

use thiserror::Error;

use vm::Interrupted;

/// A promise is broken; the verb has printed which.
#[derive(Debug, Error)]
#[error("a promise is broken")]
pub struct Broken;

/// Ctrl-C ended the run, and left something that the user has to know.
#[derive(Debug, Error)]
#[error("interrupted: {0}")]
pub struct InterruptedWith(pub String);

/// A problem that the user can solve: what was wrong, where, and what to do, on one line.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Usage(String);

/// Makes a [`Usage`] error.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(message.into()))
}

/// `error` and its causes on one line. An interrupt is printed without the step that it ended.
pub fn one_line(error: &anyhow::Error) -> String {
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        return interrupted.to_string();
    }
    let mut line = format!("{error:#}").replace(['\n', '\r'], " ");
    if let Some(stripped) = line.strip_suffix('.') {
        line = stripped.to_string();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_share_the_line() {
        let error = anyhow::anyhow!("no space\nleft").context("cannot write the image");
        assert_eq!(one_line(&error), "cannot write the image: no space left");
    }
}
