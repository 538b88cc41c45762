//! What a run came to, and the forms in which it is told.

mod junit;
mod kills;
mod terminal;

pub use junit::junit;
pub use kills::{Fault, KillTable, Outcome, kills, mutants};
pub use terminal::{Watcher, list, markdown, summary};

use serde::Serialize;

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Fail,
    /// Not checked; never counted as passed.
    Skip,
}

/// A whole run; its JSON is the `--json` file.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `nixos` or `standin`
    pub guest: String,
    /// `kvm` or `tcg`
    pub accelerator: String,
    /// The flake reference of nixpkgs, or `flake.lock`.
    pub nixpkgs: String,
    /// Pass when every promise was checked and holds.
    pub verdict: Verdict,
    pub seconds: f64,
    /// How often a machine was switched on.
    pub boots: usize,
    /// Seconds of all boots together, to the login or, on the main machine, until its units have started. Boots of
    /// several machines overlap.
    pub boot_seconds: f64,
    pub scenarios: Vec<ScenarioReport>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ScenarioReport {
    pub name: String,
    pub seconds: f64,
    pub promises: Vec<PromiseReport>,
}

#[derive(Debug, Clone, Serialize)]
pub struct PromiseReport {
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
    pub fn promises(&self) -> impl Iterator<Item = &PromiseReport> {
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
}

/// Fail before skip before pass; a run without any promise proves nothing.
pub fn verdict(scenarios: &[ScenarioReport]) -> Verdict {
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
            .map(|(index, &verdict)| PromiseReport {
                id: format!("ssh.promise-{index}"),
                promise: "it holds".into(),
                verdict,
                evidence: "what was <seen>".into(),
                found: verdict != Verdict::Skip,
                seconds: 0.25,
            })
            .collect();
        let scenarios = vec![ScenarioReport {
            name: "ssh".into(),
            seconds: 1.0,
            promises,
        }];
        Report {
            guest: "standin".into(),
            accelerator: "tcg".into(),
            nixpkgs: "flake.lock".into(),
            verdict: verdict(&scenarios),
            seconds: 2.0,
            boots: 1,
            boot_seconds: 1.5,
            scenarios,
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
