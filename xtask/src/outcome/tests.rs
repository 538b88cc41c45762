//! A sample report, and what its verdict and its JSON are.

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
