//! The verdict on a promise, and on a whole run.

use serde::{Deserialize, Serialize};

use super::ScenarioOutcome;

/// What a check found on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The promise holds; the evidence.
    Kept(String),
    /// The promise is broken; the evidence.
    Broken(String),
}

impl Finding {
    /// `Kept(kept)` if `broken` is empty, else `Broken` with all of it.
    pub fn from_faults(broken: &[String], kept: impl Into<String>) -> Self {
        if broken.is_empty() {
            Finding::Kept(kept.into())
        } else {
            Finding::Broken(broken.join("; "))
        }
    }
}

/// The verdict on a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Fail,
    /// Not checked, although the run had everything that the check needs; never counted as passed.
    Skip,
    /// Not checked, because the run lacks what the check needs, such as a real Ollama; never counted as passed.
    Unavailable,
    /// The promise does not apply to this configuration or machine, so there was nothing to check.
    #[serde(rename = "not-applicable")]
    NotApplicable,
}

impl Verdict {
    /// The word that reports print: in capitals if it needs attention.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Skip | Verdict::Unavailable => "skip",
            Verdict::NotApplicable => "n/a",
        }
    }

    /// The promise applies, and was not found to hold.
    pub fn is_open(self) -> bool {
        matches!(self, Verdict::Fail | Verdict::Skip)
    }
}

/// The verdict on a whole run: fail before skip before pass; not applicable if no promise applies. Promises that the run lacked
/// the means to check do not count, as long as another one was checked. A run that checked nothing proves nothing: skip.
pub fn verdict(scenarios: &[ScenarioOutcome]) -> Verdict {
    let all = || {
        scenarios
            .iter()
            .flat_map(|scenario| &scenario.promises)
            .map(|promise| promise.verdict)
    };
    if all().any(|verdict| verdict == Verdict::Fail) {
        Verdict::Fail
    } else if all().any(|verdict| verdict == Verdict::Skip) {
        Verdict::Skip
    } else if all().any(|verdict| verdict == Verdict::Pass) {
        Verdict::Pass
    } else if all().any(|verdict| verdict == Verdict::Unavailable) || all().next().is_none() {
        Verdict::Skip
    } else {
        Verdict::NotApplicable
    }
}
