//! The results of a run as plain data: scenarios produce them, reports render them.

pub(crate) mod kills;

pub use kills::{BrokenPromise, KillTable, KillVerdict, MutantOutcome};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
    /// Not checked, although everything for it was at hand; never counted as passed.
    Skip,
    /// Not checked, because the run lacks what the check needs, such as a real Ollama; never counted as passed.
    Unavailable,
    /// It is not made to this configuration, so there was nothing to check.
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

    /// How many promises were not checked, and why if the reason is one for all.
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

/// The verdict on a whole run: fail before skip before pass; not applicable if no promise applies. What the run had nothing
/// to check with does not spoil it, as long as something was checked. A run that checked nothing proves nothing: skip.
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample(verdicts: &[Verdict]) -> Report {
        let promises = verdicts
            .iter()
            .enumerate()
            .map(|(index, &verdict)| PromiseOutcome {
                id: format!("ssh.promise-{index}"),
                promise: "it holds".into(),
                verdict,
                evidence: "what was <seen>".into(),
                found: matches!(verdict, Verdict::Pass | Verdict::Fail),
                seconds: 0.25,
            })
            .collect();
        let scenarios = vec![ScenarioOutcome {
            name: "ssh".into(),
            seconds: 1.0,
            promises,
        }];
        Report {
            variant: None,
            guest: "standin".into(),
            accelerator: "tcg".into(),
            nixpkgs: "flake.lock".into(),
            commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
            verdict: verdict(&scenarios),
            seconds: 2.0,
            boots: 1,
            boot_seconds: 1.5,
            scenarios,
            tallies: Vec::new(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_run_passes_only_if_every_promise_passes() {
        use Verdict::{Fail, NotApplicable, Pass, Skip, Unavailable};
        assert_eq!(sample(&[Pass, Pass]).verdict, Pass);
        assert_eq!(sample(&[Pass, NotApplicable]).verdict, Pass);
        assert_eq!(sample(&[NotApplicable]).verdict, NotApplicable);
        assert_eq!(sample(&[NotApplicable, Skip]).verdict, Skip);
        assert_eq!(
            sample(&[Pass, NotApplicable]).tally_line(),
            "1 passed, 0 failed, 0 skipped, 1 does not apply"
        );
        assert_eq!(sample(&[Pass, Unavailable]).verdict, Pass);
        assert_eq!(sample(&[Unavailable, NotApplicable]).verdict, Skip);
        assert_eq!(sample(&[Unavailable, Fail]).verdict, Fail);
        assert_eq!(
            sample(&[Pass, Unavailable, Skip]).tally_line(),
            "1 passed, 0 failed, 2 skipped"
        );
        assert_eq!(sample(&[Pass, Skip]).verdict, Skip);
        assert_eq!(sample(&[Pass, Skip, Fail]).verdict, Fail);
        assert_eq!(sample(&[]).verdict, Skip);
    }

    #[test]
    fn json_has_the_fixed_fields() {
        let value = serde_json::to_value(sample(&[Verdict::Pass])).unwrap();
        for field in [
            "guest",
            "accelerator",
            "nixpkgs",
            "commit",
            "verdict",
            "seconds",
            "boots",
            "scenarios",
        ] {
            assert!(value.get(field).is_some(), "{field}");
        }
        let promise = &value["scenarios"][0]["promises"][0];
        assert_eq!(promise["verdict"], "pass");
        for field in ["id", "promise", "evidence", "seconds"] {
            assert!(promise.get(field).is_some(), "{field}");
        }
    }
}
