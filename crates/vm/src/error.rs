//! What can be wrong with the host, as opposed to the machine under test.

use std::fmt;

/// The host cannot run the machine, or was asked to stop: what was wrong, where, and what to do, on one line. It says
/// nothing about the guest.
#[derive(Debug)]
pub struct HostError(String);

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HostError {}

/// Makes a [`HostError`].
pub(crate) fn host_error(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(HostError(message.into()))
}
