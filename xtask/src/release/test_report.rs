//! The test reports that a release requires.

use std::path::Path;

use anyhow::Result;

use super::manifest::{TestRun, TestedPromise};
use crate::error::usage;
use crate::git;
use crate::outcome::{PromiseOutcome, Report};

/// The report at `path`, the `--json` of `cargo xtask test`.
///
/// # Errors
/// It cannot be read, was not made from `commit`, does not pass, or leaves out one of the `promises` (ids).
pub fn read(path: &Path, commit: &str, promises: &[&str]) -> Result<Report> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| {
        usage(format!(
            "{} is not a report of `cargo xtask test --json`: {error}",
            path.display()
        ))
    })?;
    match refusal(&report, commit, promises) {
        None => Ok(report),
        Some(why) => Err(usage(format!(
            "{} {why}: run `cargo xtask test --fault --json {}` on the commit to be released",
            path.display(),
            path.display()
        ))),
    }
}

/// The reason why `report` is not enough for a release of `commit`; None when it is. `promises` are the ids that it has to
/// cover.
pub fn refusal(report: &Report, commit: &str, promises: &[&str]) -> Option<String> {
    match report.commit.as_deref() {
        None => return Some("does not name the tested commit".into()),
        Some(tested) if git::is_dirty(tested) => {
            return Some("was made with uncommitted changes".into());
        }
        Some(tested) if tested != commit => {
            return Some(format!("was made from {tested} and not from {commit}"));
        }
        Some(_) => {}
    }
    if let Some(variant) = &report.variant {
        return Some(format!("was made on the variant {variant}"));
    }
    let bad = |promise: &&PromiseOutcome| promise.verdict.is_open();
    if let Some(promise) = report.promises().find(bad) {
        return Some(format!("does not pass, see {}", promise.id));
    }
    let covered = |id: &str| report.promises().any(|promise| promise.id == id);
    let missing: Vec<_> = promises.iter().filter(|id| !covered(id)).collect();
    if let Some(first) = missing.first() {
        return Some(format!(
            "leaves out {} of {} promises, {} among them",
            missing.len(),
            promises.len(),
            first
        ));
    }
    report.verdict.is_open().then(|| "does not pass".into())
}

/// The manifest's entry for `report`.
pub fn test_run(report: &Report) -> TestRun {
    TestRun {
        guest: report.guest.clone(),
        accelerator: report.accelerator.clone(),
        nixpkgs: report.nixpkgs.clone(),
        verdict: report.verdict,
        promises: report
            .promises()
            .map(|promise| TestedPromise {
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
    use crate::outcome::{ScenarioOutcome, Verdict};

    const PROMISES: [&str; 4] = ["a.one", "a.two", "b.one", "b.two"];

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
            promises: PROMISES.iter().map(|id| promise(id)).collect(),
        }];
        report
    }

    #[test]
    fn only_a_complete_passing_run_of_this_commit_is_enough() {
        assert_eq!(refusal(&whole(), "abc", &PROMISES), None);
        let mut without_drive = whole();
        without_drive.scenarios[0].promises[3].verdict = Verdict::NotApplicable;
        assert_eq!(refusal(&without_drive, "abc", &PROMISES), None);
        let refused = |change: Change| {
            let mut report = whole();
            change(&mut report);
            refusal(&report, "abc", &PROMISES).unwrap()
        };
        let cases: &[(Change, &str)] = &[
            (
                &|report| report.commit = None,
                "does not name the tested commit",
            ),
            (
                &|report| report.commit = Some("abc-dirty".into()),
                "with uncommitted changes",
            ),
            (
                &|report| report.commit = Some("abd".into()),
                "from abd and not from abc",
            ),
            (
                &|report| report.variant = Some("no-drive".into()),
                "was made on the variant no-drive",
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
