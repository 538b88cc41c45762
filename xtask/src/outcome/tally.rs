//! The results of `test --repeat`.

use serde::{Deserialize, Serialize};

/// The results of one promise over all runs of `--repeat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The promise.
    pub id: String,
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    #[serde(default)]
    pub not_applicable: usize,
    #[serde(default)]
    pub unavailable: usize,
}

impl Tally {
    /// It passed in one run and failed in another.
    pub fn flaky(&self) -> bool {
        self.passed > 0 && self.failed > 0
    }

    /// The number of runs.
    pub fn runs(&self) -> usize {
        self.passed + self.failed + self.skipped + self.not_applicable + self.unavailable
    }

    /// `passed 4 of 5`
    pub fn words(&self) -> String {
        format!("passed {} of {}", self.passed, self.runs())
    }
}
