//! The results of `test`: the outcome of each promise, by scenario.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Tally, Verdict};

/// A whole run; its JSON is the `--json` file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The variant of the configuration; `None` for the default.
    #[serde(default)]
    pub variant: Option<String>,
    /// `nixos` or `standin`
    pub guest: String,
    /// `kvm` or `tcg`
    pub accelerator: String,
    /// The flake reference of nixpkgs, or `flake.lock`.
    pub nixpkgs: String,
    /// The git commit of the sources, 40 hexadecimal digits, with the suffix `-dirty` if files differ from it; `None`
    /// outside git.
    #[serde(default)]
    pub commit: Option<String>,
    /// Pass when every promise that the run could check was checked and holds.
    pub verdict: Verdict,
    pub seconds: f64,
    /// Number of boots, over all machines.
    pub boots: usize,
    /// Seconds of all boots together, each up to the login (on the main machine: until its units have started). Boots
    /// of several machines overlap.
    pub boot_seconds: f64,
    pub scenarios: Vec<ScenarioOutcome>,
    /// With `--repeat`: the tally of each promise. Verdicts and evidence are then those of all runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tallies: Vec<Tally>,
    /// One folder of failure artifacts for each machine on which a promise was not kept.
    #[serde(default)]
    pub failures: Vec<PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScenarioOutcome {
    pub name: String,
    pub seconds: f64,
    pub promises: Vec<PromiseOutcome>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PromiseOutcome {
    pub id: String,
    pub promise: String,
    pub verdict: Verdict,
    /// What the check saw.
    pub evidence: String,
    /// The check ran to its end, and the verdict is its finding. `false` if it could not: the promise then counts as
    /// not kept, and nothing more is known.
    #[serde(skip)]
    pub found: bool,
    pub seconds: f64,
}

impl Report {
    /// Every promise of the run.
    pub fn promises(&self) -> impl Iterator<Item = &PromiseOutcome> {
        self.scenarios
            .iter()
            .flat_map(|scenario| &scenario.promises)
    }

    /// The number of promises with `verdict`.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.promises()
            .filter(|promise| promise.verdict == verdict)
            .count()
    }

    /// How many promises were not checked, and the reason if all have the same one.
    pub fn unchecked(&self) -> String {
        let (skipped, unavailable) = (self.count(Verdict::Skip), self.count(Verdict::Unavailable));
        let unavailable_one = self
            .promises()
            .find(|promise| promise.verdict == Verdict::Unavailable);
        match unavailable_one {
            Some(promise) if skipped == 0 => {
                format!(
                    "{unavailable} promises were not checked: {}",
                    promise.evidence
                )
            }
            _ => format!("{} promises were not checked", skipped + unavailable),
        }
    }

    /// The guest, and the variant if it is not the default: `standin, variant no-drive`.
    pub fn subject(&self) -> String {
        match &self.variant {
            None => self.guest.clone(),
            Some(variant) => format!("{}, variant {variant}", self.guest),
        }
    }

    fn flaky(&self, id: &str) -> bool {
        let mut tallies = self.tallies.iter();
        tallies.any(|tally| tally.id == id && tally.flaky())
    }

    /// The word that reports print for a promise: `FLAKY`, or its verdict.
    pub fn word(&self, promise: &PromiseOutcome) -> &'static str {
        if self.flaky(&promise.id) {
            return "FLAKY";
        }
        promise.verdict.word()
    }

    /// `27 passed, 1 failed, 0 skipped`; then the number of promises that do not apply, if any, and with `--repeat` that of
    /// runs and of flaky promises.
    pub fn tally_line(&self) -> String {
        let mut line = format!(
            "{} passed, {} failed, {} skipped",
            self.count(Verdict::Pass),
            self.count(Verdict::Fail),
            self.count(Verdict::Skip) + self.count(Verdict::Unavailable),
        );
        match self.count(Verdict::NotApplicable) {
            0 => {}
            1 => line += ", 1 does not apply",
            several => line += &format!(", {several} do not apply"),
        }
        if let Some(runs) = self.tallies.iter().map(Tally::runs).max() {
            let flaky = self.tallies.iter().filter(|tally| tally.flaky()).count();
            line += &format!("; {runs} runs of each, {flaky} flaky");
        }
        line
    }
}
