//! Exit codes: 0 all that was promised was checked and holds, 1 a promise is broken, 2 the run could not be done.

use std::fmt;

/// A promise is broken (exit 1). The report has said which.
#[derive(Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a promise is broken")
    }
}

impl std::error::Error for Broken {}

/// Something that whoever called the program can mend (exit 2): what was wrong, where, what to do, on one line.
#[derive(Debug)]
pub struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Makes a [`Usage`] error.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(message.into()))
}

/// The exit code that says what `error` means.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<Broken>() { 1 } else { 2 }
}

/// `error` and its causes on one line.
pub fn one_line(error: &anyhow::Error) -> String {
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
    fn only_a_broken_promise_is_exit_one() {
        assert_eq!(exit_code(&anyhow::Error::new(Broken)), 1);
        assert_eq!(exit_code(&usage("no QEMU: run setup")), 2);
        assert_eq!(exit_code(&anyhow::anyhow!("anything else")), 2);
    }

    #[test]
    fn causes_share_the_line() {
        let error = anyhow::anyhow!("no space\nleft").context("cannot write the image");
        assert_eq!(one_line(&error), "cannot write the image: no space left");
    }
}
