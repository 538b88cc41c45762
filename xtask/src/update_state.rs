//! What `ollamalive update --state` prints on a machine.

use serde::Deserialize;

/// The machine's versions (`--state`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct State {
    /// The running version.
    pub version: String,
    /// Whether the running version is on trial: it has not been declared good yet.
    pub trial: bool,
    /// The versions that were tried and undone.
    pub undone: Vec<Undone>,
}

/// A version that was undone, and why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Undone {
    pub version: String,
    pub why: String,
}

impl State {
    /// Why `version` was undone; None if it was not.
    pub fn undone_why(&self, version: &str) -> Option<&str> {
        let undone = self
            .undone
            .iter()
            .find(|undone| undone.version == version)?;
        Some(&undone.why)
    }
}
