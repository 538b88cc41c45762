//! What `ollamalive update --state` prints on a machine.

use serde::Deserialize;

/// What a machine runs (`--state`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct State {
    pub version: String,
    /// The version that runs has not been declared good yet.
    pub trial: bool,
    /// Versions that were tried and given up.
    pub undone: Vec<Undone>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Undone {
    pub version: String,
    pub why: String,
}

impl State {
    /// Why `version` was given up, if it was.
    pub fn undone_why(&self, version: &str) -> Option<&str> {
        let undone = self
            .undone
            .iter()
            .find(|undone| undone.version == version)?;
        Some(&undone.why)
    }
}
