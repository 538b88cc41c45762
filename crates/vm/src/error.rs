//! Errors of the host, as opposed to those of the machine under test.

/// The host cannot run the machine: what is wrong, where, and what to do, on one line. It says nothing about the guest.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HostError(String);

/// Makes a [`HostError`].
pub(crate) fn host_error(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(HostError(message.into()))
}
