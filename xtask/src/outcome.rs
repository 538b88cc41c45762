//! What a run came to: plain data, below scenarios and reports. A scenario makes it, a report renders it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The promise holds; what was seen.
    Kept(String),
    /// It does not; what was seen instead.
    Broken(String),
}

impl Finding {
    /// Kept with `kept` when nothing is in `broken`.
    pub fn from_faults(broken: &[String], kept: impl Into<String>) -> Self {
        if broken.is_empty() {
            Finding::Kept(kept.into())
        } else {
            Finding::Broken(broken.join("; "))
        }
    }
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Fail,
    /// Not checked; never counted as passed.
    Skip,
}

impl Verdict {
    /// How it is written: what needs somebody's attention, in capitals.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Skip => "skip",
        }
    }
}

/// A whole run; its JSON is the `--json` file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// `nixos` or `standin`
    pub guest: String,
    /// `kvm` or `tcg`
    pub accelerator: String,
    /// The flake reference of nixpkgs, or `flake.lock`.
    pub nixpkgs: String,
    /// The git commit of the sources, 40 hexadecimal digits, with `-dirty` behind them when files differ from it; nothing
    /// outside git.
    #[serde(default)]
    pub commit: Option<String>,
    /// Pass when every promise was checked and holds.
    pub verdict: Verdict,
    pub seconds: f64,
    /// How often a machine was switched on.
    pub boots: usize,
    /// Seconds of all boots together, to the login or, on the main machine, until its units have started. Boots of
    /// several machines overlap.
    pub boot_seconds: f64,
    pub scenarios: Vec<ScenarioOutcome>,
    /// How each promise fared, where everything was run several times; verdicts and evidence are then those of all runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tallies: Vec<Tally>,
    /// One folder for each machine on which something went wrong.
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
    /// What was seen.
    pub evidence: String,
    /// The check was carried out, and the verdict is what it found. Not so where it could not be: then the promise is
    /// not found to be kept, and more is not known.
    #[serde(skip)]
    pub found: bool,
    pub seconds: f64,
}

impl Report {
    /// Every promise that was looked at.
    pub fn promises(&self) -> impl Iterator<Item = &PromiseOutcome> {
        self.scenarios
            .iter()
            .flat_map(|scenario| &scenario.promises)
    }

    /// How many promises came to `verdict`.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.promises()
            .filter(|promise| promise.verdict == verdict)
            .count()
    }

    fn flaky(&self, id: &str) -> bool {
        let mut tallies = self.tallies.iter();
        tallies.any(|tally| tally.id == id && tally.flaky())
    }

    /// How a promise's verdict is written, when it is known whether it is flaky.
    pub fn word(&self, promise: &PromiseOutcome) -> &'static str {
        if self.flaky(&promise.id) {
            return "FLAKY";
        }
        promise.verdict.word()
    }

    /// `27 passed, 1 failed, 0 skipped`, and where everything was run several times, how often and what is flaky.
    pub fn tally_line(&self) -> String {
        let mut line = format!(
            "{} passed, {} failed, {} skipped",
            self.count(Verdict::Pass),
            self.count(Verdict::Fail),
            self.count(Verdict::Skip),
        );
        if let Some(runs) = self.tallies.iter().map(Tally::runs).max() {
            let flaky = self.tallies.iter().filter(|tally| tally.flaky()).count();
            line += &format!("; {runs} runs of each, {flaky} flaky");
        }
        line
    }
}

/// What became of one promise in all runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The promise.
    pub id: String,
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Tally {
    /// It both held and did not.
    pub fn flaky(&self) -> bool {
        self.passed > 0 && self.failed > 0
    }

    /// How many runs looked at it.
    pub fn runs(&self) -> usize {
        self.passed + self.failed + self.skipped
    }

    /// `passed 4 of 5`
    pub fn words(&self) -> String {
        format!("passed {} of {}", self.passed, self.runs())
    }
}

/// Fail before skip before pass; a run without any promise proves nothing.
pub fn verdict(scenarios: &[ScenarioOutcome]) -> Verdict {
    let all = || {
        scenarios
            .iter()
            .flat_map(|scenario| &scenario.promises)
            .map(|promise| promise.verdict)
    };
    if all().any(|verdict| verdict == Verdict::Fail) {
        Verdict::Fail
    } else if all().any(|verdict| verdict == Verdict::Skip) || all().next().is_none() {
        Verdict::Skip
    } else {
        Verdict::Pass
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
                found: verdict != Verdict::Skip,
                seconds: 0.25,
            })
            .collect();
        let scenarios = vec![ScenarioOutcome {
            name: "ssh".into(),
            seconds: 1.0,
            promises,
        }];
        Report {
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
    fn nothing_but_passes_is_a_pass() {
        use Verdict::{Fail, Pass, Skip};
        assert_eq!(sample(&[Pass, Pass]).verdict, Pass);
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
