//! What failed last, for `test --rerun`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Report, Verdict};
use crate::scenario::PROMISES;

/// The file in the cache.
const FILE: &str = "last-failed.json";

/// A promise that was not kept, or not checked, when it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    guest: String,
    scenario: String,
    promise: String,
}

fn recall(cache: &Path) -> Vec<Open> {
    // Without a memory, or with one of another version, nothing is known to have failed.
    fs::read(cache.join(FILE))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

/// Remembers what `report` says about its scenarios; what is known of others, and of the other guest, stays.
pub fn remember(cache: &Path, report: &Report) -> Result<()> {
    let mut open = recall(cache);
    let judged = |name: &str| report.scenarios.iter().any(|other| other.name == name);
    open.retain(|one| one.guest != report.guest || !judged(&one.scenario));
    for scenario in &report.scenarios {
        let broken = scenario
            .promises
            .iter()
            .filter(|promise| promise.verdict != Verdict::Pass);
        open.extend(broken.map(|promise| Open {
            guest: report.guest.clone(),
            scenario: scenario.name.clone(),
            promise: promise.id.clone(),
        }));
    }
    let file = cache.join(FILE);
    fs::write(&file, serde_json::to_vec(&open)?)
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The promises that failed last, with their scenarios: on `guest`, or on any. Those that are no more are left out.
pub fn failed_last(cache: &Path, guest: Option<&str>) -> Vec<(&'static str, &'static str)> {
    let open = recall(cache);
    PROMISES
        .iter()
        .filter(|promise| {
            open.iter().any(|one| {
                one.promise == promise.id && guest.is_none_or(|guest| guest == one.guest)
            })
        })
        .map(|promise| (promise.scenario, promise.id))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::ScenarioOutcome;
    use crate::outcome::tests::sample;

    /// A report on `scenarios`, each with its first promise and that one's verdict.
    fn report(guest: &str, scenarios: &[(&str, Verdict)]) -> Report {
        let scenarios = scenarios.iter().map(|(name, verdict)| {
            let mut one = sample(&[*verdict]).scenarios.remove(0);
            let promise = PROMISES.iter().find(|promise| promise.scenario == *name);
            one.promises[0].id = promise.unwrap().id.into();
            ScenarioOutcome {
                name: (*name).into(),
                ..one
            }
        });
        Report {
            guest: guest.into(),
            scenarios: scenarios.collect(),
            ..sample(&[])
        }
    }

    fn names(cache: &Path, guest: Option<&str>) -> Vec<&'static str> {
        failed_last(cache, guest)
            .iter()
            .map(|(scenario, _)| *scenario)
            .collect()
    }

    #[test]
    fn what_failed_is_known_until_it_passes_on_the_same_guest() {
        use Verdict::{Fail, Pass, Skip};
        let cache = tempfile::tempdir().unwrap();
        let cache = cache.path();
        assert!(names(cache, None).is_empty());
        let run = |guest, scenarios: &[_]| remember(cache, &report(guest, scenarios)).unwrap();
        run(
            "standin",
            &[("ssh", Fail), ("docker", Pass), ("firewall", Skip)],
        );
        assert_eq!(names(cache, None), ["ssh", "firewall"]);
        run("nixos", &[("ssh", Pass), ("docker", Fail)]);
        assert_eq!(names(cache, None), ["ssh", "docker", "firewall"]);
        assert_eq!(names(cache, Some("nixos")), ["docker"]);
        run("standin", &[("ssh", Pass)]);
        assert_eq!(names(cache, Some("standin")), ["firewall"]);
    }

    #[test]
    fn a_memory_that_cannot_be_read_knows_nothing() {
        let cache = tempfile::tempdir().unwrap();
        fs::write(cache.path().join(FILE), "{").unwrap();
        assert!(names(cache.path(), None).is_empty());
        let gone = r#"[{"guest":"standin","scenario":"x","promise":"x.gone"}]"#;
        fs::write(cache.path().join(FILE), gone).unwrap();
        assert!(names(cache.path(), None).is_empty());
    }
}
