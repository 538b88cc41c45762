//! The test runs that a release rests on.

use std::path::Path;

use anyhow::Result;

use super::git;
use super::manifest::{Promise, Run};
use crate::error::usage;
use crate::outcome::{Report, Verdict};
use crate::scenario::PROMISES;

/// The report at `path`, the `--json` of `cargo xtask test`.
///
/// # Errors
/// It cannot be read, was not made from `commit`, does not pass, or does not cover every promise.
pub fn read(path: &Path, commit: &str) -> Result<Report> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| {
        usage(format!(
            "{} is no report of `cargo xtask test --json`: {error}",
            path.display()
        ))
    })?;
    match refusal(&report, commit) {
        None => Ok(report),
        Some(why) => Err(usage(format!(
            "{} {why}: run `cargo xtask test --fault --json {}` on the commit to be released",
            path.display(),
            path.display()
        ))),
    }
}

/// Why no release can rest on `report`, if so.
pub fn refusal(report: &Report, commit: &str) -> Option<String> {
    match report.commit.as_deref() {
        None => return Some("does not say which commit was tested".into()),
        Some(tested) if git::is_dirty(tested) => {
            return Some("was made with changes that are in no commit".into());
        }
        Some(tested) if tested != commit => {
            return Some(format!("was made from {tested} and not from {commit}"));
        }
        Some(_) => {}
    }
    let bad = |promise: &&crate::outcome::PromiseOutcome| promise.verdict != Verdict::Pass;
    if let Some(promise) = report.promises().find(bad) {
        return Some(format!("does not pass, see {}", promise.id));
    }
    let covered = |id: &str| report.promises().any(|promise| promise.id == id);
    let missing: Vec<_> = PROMISES
        .iter()
        .filter(|promise| !covered(promise.id))
        .collect();
    if let Some(first) = missing.first() {
        return Some(format!(
            "leaves out {} of {} promises, {} among them",
            missing.len(),
            PROMISES.len(),
            first.id
        ));
    }
    (report.verdict != Verdict::Pass).then(|| "does not pass".into())
}

/// What the manifest keeps of `report`.
pub fn run(report: &Report) -> Run {
    Run {
        guest: report.guest.clone(),
        accelerator: report.accelerator.clone(),
        nixpkgs: report.nixpkgs.clone(),
        verdict: report.verdict,
        promises: report
            .promises()
            .map(|promise| Promise {
                id: promise.id.clone(),
                promise: promise.promise.clone(),
                verdict: promise.verdict,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{PromiseOutcome, ScenarioOutcome};

    type Change<'a> = &'a dyn Fn(&mut Report);

    fn whole() -> Report {
        let promise = |id: &str| PromiseOutcome {
            id: id.to_string(),
            promise: "it holds".into(),
            verdict: Verdict::Pass,
            evidence: String::new(),
            found: true,
            seconds: 0.0,
        };
        let mut report = crate::outcome::tests::sample(&[]);
        report.commit = Some("abc".into());
        report.verdict = Verdict::Pass;
        report.scenarios = vec![ScenarioOutcome {
            name: "all".into(),
            seconds: 0.0,
            promises: PROMISES.iter().map(|known| promise(known.id)).collect(),
        }];
        report
    }

    #[test]
    fn only_a_whole_green_run_of_this_commit_is_a_proof() {
        assert_eq!(refusal(&whole(), "abc"), None);
        let refused = |change: Change| {
            let mut report = whole();
            change(&mut report);
            refusal(&report, "abc").unwrap()
        };
        let cases: &[(Change, &str)] = &[
            (&|report| report.commit = None, "does not say which commit"),
            (
                &|report| report.commit = Some("abc-dirty".into()),
                "changes that are in no commit",
            ),
            (
                &|report| report.commit = Some("abd".into()),
                "from abd and not from abc",
            ),
            (
                &|report| report.scenarios[0].promises[3].verdict = Verdict::Skip,
                "does not pass, see ",
            ),
            (
                &|report| drop(report.scenarios[0].promises.pop()),
                "leaves out 1 of ",
            ),
            (&|report| report.verdict = Verdict::Fail, "does not pass"),
        ];
        for (change, words) in cases {
            let why = refused(change);
            assert!(why.contains(words), "{why}");
        }
    }
}
