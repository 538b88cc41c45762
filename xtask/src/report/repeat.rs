//! Merges the reports of repeated runs, to find flaky promises.

use super::{PromiseOutcome, ScenarioOutcome, Tally, Verdict};

/// Merges the reports of all runs into one, with a tally of each promise. Seconds are means. A promise that failed once has
/// failed; its evidence is that of every run in which it was not kept, or else that of the last run.
pub fn merge(runs: &[Vec<ScenarioOutcome>]) -> (Vec<ScenarioOutcome>, Vec<Tally>) {
    let mut tallies = Vec::new();
    let Some(first) = runs.first() else {
        return (Vec::new(), tallies);
    };
    let scenarios = first.iter().map(|scenario| {
        let same: Vec<&ScenarioOutcome> = runs
            .iter()
            .flatten()
            .filter(|other| other.name == scenario.name)
            .collect();
        let promises = scenario.promises.iter().map(|promise| {
            let all: Vec<&PromiseOutcome> = same
                .iter()
                .flat_map(|other| &other.promises)
                .filter(|other| other.id == promise.id)
                .collect();
            let (report, tally) = merge_promise(&all);
            tallies.push(tally);
            report
        });
        ScenarioOutcome {
            name: scenario.name.clone(),
            promises: promises.collect(),
            seconds: mean(same.iter().map(|other| other.seconds)),
        }
    });
    (scenarios.collect(), tallies)
}

fn merge_promise(all: &[&PromiseOutcome]) -> (PromiseOutcome, Tally) {
    let last = all[all.len() - 1];
    let count = |verdict| all.iter().filter(|one| one.verdict == verdict).count();
    let tally = Tally {
        id: last.id.clone(),
        passed: count(Verdict::Pass),
        failed: count(Verdict::Fail),
        skipped: count(Verdict::Skip),
        not_applicable: count(Verdict::NotApplicable),
        unavailable: count(Verdict::Unavailable),
    };
    let verdict = if tally.failed > 0 {
        Verdict::Fail
    } else if tally.skipped > 0 {
        Verdict::Skip
    } else if tally.not_applicable + tally.unavailable == tally.runs() {
        return (last.clone(), tally);
    } else {
        Verdict::Pass
    };
    let flaky = if tally.flaky() { "flaky, " } else { "" };
    let mut evidence = format!("{flaky}{}", tally.words());
    if verdict == Verdict::Pass {
        evidence += &format!("; last: {}", last.evidence);
    }
    for (number, one) in (1..).zip(all) {
        if one.verdict.is_open() {
            evidence += &format!("; run {number}: {}", one.evidence);
        }
    }
    let report = PromiseOutcome {
        verdict,
        evidence,
        found: all.iter().any(|one| one.verdict == verdict && one.found),
        seconds: mean(all.iter().map(|one| one.seconds)),
        ..last.clone()
    };
    (report, tally)
}

fn mean(seconds: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = seconds.len().max(1) as f64;
    seconds.sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::sample;

    #[test]
    fn a_promise_that_passes_only_sometimes_is_flaky_and_fails() {
        use Verdict::{Fail, Pass, Skip};
        let runs: Vec<_> = [[Pass, Pass, Fail], [Pass, Fail, Fail], [Pass, Pass, Skip]]
            .iter()
            .map(|verdicts| sample(verdicts).scenarios)
            .collect();
        let (scenarios, tallies) = merge(&runs);
        let merged: Vec<String> = scenarios[0]
            .promises
            .iter()
            .map(|promise| format!("{:?} {}", promise.verdict, promise.evidence))
            .collect();
        insta::assert_debug_snapshot!(merged, @r#"
        [
            "Pass passed 3 of 3; last: what was <seen>",
            "Fail flaky, passed 2 of 3; run 2: what was <seen>",
            "Fail passed 0 of 3; run 1: what was <seen>; run 2: what was <seen>; run 3: what was <seen>",
        ]
        "#);
        let flaky: Vec<bool> = tallies.iter().map(Tally::flaky).collect();
        assert_eq!(flaky, [false, true, false]);
        assert_eq!(scenarios[0].promises[0].seconds, 0.25);
        assert_eq!(crate::outcome::verdict(&scenarios), Fail);
    }

    #[test]
    fn a_promise_that_does_not_apply_keeps_its_reason() {
        use Verdict::NotApplicable;
        let runs = [
            sample(&[NotApplicable]).scenarios,
            sample(&[NotApplicable]).scenarios,
        ];
        let (scenarios, tallies) = merge(&runs);
        let promise = &scenarios[0].promises[0];
        assert_eq!(promise.verdict, NotApplicable);
        assert_eq!(promise.evidence, "what was <seen>");
        assert_eq!(tallies[0].runs(), 2);
    }

    #[test]
    fn a_promise_skipped_in_one_run_has_not_passed() {
        use Verdict::{Pass, Skip};
        let runs = [sample(&[Pass]).scenarios, sample(&[Skip]).scenarios];
        let (scenarios, tallies) = merge(&runs);
        assert_eq!(scenarios[0].promises[0].verdict, Skip);
        assert!(!tallies[0].flaky());
        assert!(merge(&[]).0.is_empty());
    }
}
