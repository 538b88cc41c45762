//! Remembers the promises that failed last, for `test --rerun`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Report;

/// The file in the cache.
const FILE: &str = "last-failed.json";

/// A promise that was not kept, or not checked, in its last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    guest: String,
    scenario: String,
    promise: String,
}

fn recall(cache: &Path) -> Vec<Open> {
    // Without a file, or with one of another version, no failure is known.
    fs::read(cache.join(FILE))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

/// Replaces what is remembered about the scenarios of `report`; entries of other scenarios and guests stay.
pub fn remember(cache: &Path, report: &Report) -> Result<()> {
    let mut open = recall(cache);
    let judged = |name: &str| report.scenarios.iter().any(|other| other.name == name);
    open.retain(|one| one.guest != report.guest || !judged(&one.scenario));
    for scenario in &report.scenarios {
        let broken = scenario
            .promises
            .iter()
            .filter(|promise| promise.verdict.is_open());
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

/// Those of the promise ids `known` that failed last, in the same order: on `guest`, or on any.
pub fn failed_last<'k>(
    cache: &Path,
    guest: Option<&str>,
    known: impl IntoIterator<Item = &'k str>,
) -> Vec<&'k str> {
    let open = recall(cache);
    let failed = |id: &&str| {
        open.iter()
            .any(|one| one.promise == *id && guest.is_none_or(|guest| guest == one.guest))
    };
    known.into_iter().filter(failed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::sample;
    use crate::outcome::{ScenarioOutcome, Verdict};

    /// Every promise that there is in these tests.
    const KNOWN: [&str; 3] = ["ssh.a", "docker.a", "firewall.a"];

    /// A report on `scenarios`, each with one promise and its verdict.
    fn report(guest: &str, scenarios: &[(&str, Verdict)]) -> Report {
        let scenarios = scenarios.iter().map(|(name, verdict)| {
            let mut one = sample(&[*verdict]).scenarios.remove(0);
            one.promises[0].id = format!("{name}.a");
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

    fn failed(cache: &Path, guest: Option<&str>) -> Vec<&'static str> {
        failed_last(cache, guest, KNOWN)
    }

    #[test]
    fn a_failure_is_remembered_until_it_passes_on_the_same_guest() {
        use Verdict::{Fail, Pass, Skip};
        let cache = tempfile::tempdir().unwrap();
        let cache = cache.path();
        assert!(failed(cache, None).is_empty());
        let run = |guest, scenarios: &[_]| remember(cache, &report(guest, scenarios)).unwrap();
        run(
            "standin",
            &[("ssh", Fail), ("docker", Pass), ("firewall", Skip)],
        );
        assert_eq!(failed(cache, None), ["ssh.a", "firewall.a"]);
        run("nixos", &[("ssh", Pass), ("docker", Fail)]);
        assert_eq!(failed(cache, None), ["ssh.a", "docker.a", "firewall.a"]);
        assert_eq!(failed(cache, Some("nixos")), ["docker.a"]);
        run("standin", &[("ssh", Pass)]);
        assert_eq!(failed(cache, Some("standin")), ["firewall.a"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_counts_as_no_failure() {
        let cache = tempfile::tempdir().unwrap();
        fs::write(cache.path().join(FILE), "{").unwrap();
        assert!(failed(cache.path(), None).is_empty());
        let gone = r#"[{"guest":"standin","scenario":"x","promise":"x.gone"}]"#;
        fs::write(cache.path().join(FILE), gone).unwrap();
        assert!(failed(cache.path(), None).is_empty());
    }
}
