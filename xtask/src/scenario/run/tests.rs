use std::sync::Mutex;

use anyhow::{anyhow, bail};

use super::*;
use crate::error::usage;
use crate::scenario::scenario;

type Check = fn(&Promise) -> Result<Finding>;

/// Answers every check by one function, and records which outcomes it is handed.
struct Script {
    /// A promise that does not apply, and the reason.
    not_applicable: Option<(&'static str, &'static str)>,
    check: Check,
    blame: fn(Error) -> Error,
    interrupted: bool,
    not_kept: Vec<String>,
}

impl Script {
    fn new(check: Check) -> Self {
        Script {
            not_applicable: None,
            check,
            blame: |error| error,
            interrupted: false,
            not_kept: Vec::new(),
        }
    }
}

impl Subject for Script {
    fn not_applicable(&mut self, promise: &Promise) -> Option<String> {
        let (id, reason) = self.not_applicable?;
        (promise.id == id).then(|| reason.to_string())
    }

    fn check(&mut self, promise: &Promise) -> Result<Finding> {
        (self.check)(promise)
    }

    fn blame(&mut self, error: Error) -> Error {
        (self.blame)(error)
    }

    fn not_kept(&mut self, outcome: &PromiseOutcome) {
        self.not_kept.push(outcome.id.clone());
    }

    fn check_interrupt(&self) -> Result<()> {
        if self.interrupted {
            bail!("interrupted");
        }
        Ok(())
    }
}

/// Records what it is called with.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn booting(&self, _: &str) {}
    fn booted(&self, _: &str, _: Duration) {}

    fn judging(&self, promise: &Promise) {
        self.0
            .lock()
            .unwrap()
            .push(format!("judging {}", promise.id));
    }

    fn judged(&self, outcome: &PromiseOutcome) {
        let line = format!("{} {}", outcome.verdict.word(), outcome.id);
        self.0.lock().unwrap().push(line);
    }
}

fn kept(_: &Promise) -> Result<Finding> {
    Ok(Finding::Kept("seen".to_string()))
}

fn ended() -> Error {
    Ended {
        how: "signal 9".to_string(),
        last_line: String::new(),
        log: String::new(),
    }
    .into()
}

fn no_login() -> Boot {
    Err(NoLogin {
        why: "no login within 5 s".to_string(),
        tail: "Kernel panic".to_string(),
    })
}

fn host_error() -> Error {
    let command = process::command("/no/such/program");
    process::run(command, "asking", Duration::from_secs(1)).unwrap_err()
}

fn boot_promise() -> &'static Promise {
    promises_of(&[scenario("boot").unwrap()])[0]
}

/// The verdict, the evidence and `found` of one promise that is checked by `check`.
fn judged(check: Check) -> (Verdict, String, bool) {
    let outcome = judge(&mut Script::new(check), boot_promise()).unwrap();
    assert_eq!(outcome.id, "boot.reaches-target");
    (outcome.verdict, outcome.evidence, outcome.found)
}

#[test]
fn a_finding_becomes_the_verdict() {
    let seen = "seen".to_string();
    assert_eq!(judged(kept), (Verdict::Pass, seen.clone(), true));
    let broken: Check = |_| Ok(Finding::Broken("seen".to_string()));
    assert_eq!(judged(broken), (Verdict::Fail, seen, true));
}

#[test]
fn a_check_that_cannot_be_carried_out_fails_and_has_found_nothing() {
    let check: Check = |_| Err(anyhow!("no answer").context("asking"));
    let expected = (Verdict::Fail, "asking: no answer".to_string(), false);
    assert_eq!(judged(check), expected);
}

#[test]
fn without_a_root_shell_a_promise_is_skipped() {
    let check: Check = |_| Err(NoShell("Permission denied".to_string()).into());
    let evidence = "no root shell: Permission denied".to_string();
    assert_eq!(judged(check), (Verdict::Skip, evidence, false));
}

#[test]
fn errors_that_are_not_the_guests_end_the_run() {
    let checks: [Check; 3] = [
        |_| Err(ended()),
        |_| Err(usage("no such file")),
        |_| Err(host_error()),
    ];
    for check in checks {
        let result = judge(&mut Script::new(check), boot_promise());
        assert!(result.is_err());
    }
}

#[test]
fn an_error_after_qemu_has_ended_ends_the_run() {
    let mut subject = Script {
        blame: |_| ended(),
        ..Script::new(|_| Err(anyhow!("connection closed")))
    };
    let error = judge(&mut subject, boot_promise()).unwrap_err();
    assert!(error.is::<Ended>(), "{error:#}");
}

#[test]
fn an_error_after_ctrl_c_ends_the_run() {
    let mut subject = Script {
        interrupted: true,
        ..Script::new(|_| Err(anyhow!("stopped")))
    };
    let error = judge(&mut subject, boot_promise()).unwrap_err();
    assert_eq!(error.to_string(), "interrupted");
}

fn three_scenarios() -> Vec<&'static Promise> {
    promises_of(&["system", "persist", "docker"].map(|name| scenario(name).unwrap()))
}

#[test]
fn outcomes_are_grouped_by_scenario_and_observed_in_order() {
    let log = Log::default();
    let mut subject = Script::new(|promise| match promise.id {
        "persist.mounted" => Ok(Finding::Broken("gone".to_string())),
        "docker.state-on-persist" => bail!("no answer"),
        _ => kept(promise),
    });
    let boot = Ok(Duration::from_secs(1));
    let scenarios = judge_on(&mut subject, &three_scenarios(), &boot, &log).unwrap();
    let groups: Vec<(&str, Vec<&str>)> = scenarios
        .iter()
        .map(|scenario| {
            let ids = scenario.promises.iter().map(|outcome| outcome.id.as_str());
            (scenario.name.as_str(), ids.collect())
        })
        .collect();
    assert_eq!(
        groups,
        [
            (
                "system",
                vec![
                    "system.identity",
                    "system.leaves-the-clock",
                    "system.leaves-the-disks",
                    "network.only-its-name-server"
                ]
            ),
            ("persist", vec!["persist.mounted", "persist.bind-mounts"]),
            (
                "docker",
                vec!["docker.state-on-persist", "docker.prunes-weekly"]
            ),
        ]
    );
    let failed = ["persist.mounted", "docker.state-on-persist"];
    let expected: Vec<String> = three_scenarios()
        .iter()
        .flat_map(|promise| {
            let word = if failed.contains(&promise.id) {
                "FAIL"
            } else {
                "pass"
            };
            [
                format!("judging {}", promise.id),
                format!("{word} {}", promise.id),
            ]
        })
        .collect();
    assert_eq!(*log.0.lock().unwrap(), expected);
    assert_eq!(subject.not_kept, failed);
}

#[test]
fn a_promise_that_does_not_apply_is_not_checked() {
    let mut subject = Script {
        not_applicable: Some(("persist.mounted", "there is no PERSIST")),
        ..Script::new(|promise| match promise.id {
            "persist.mounted" => panic!("it was checked"),
            _ => kept(promise),
        })
    };
    for boot in [Ok(Duration::from_secs(1)), no_login()] {
        let all = judge_on(&mut subject, &three_scenarios(), &boot, &Quiet).unwrap();
        let outcome = &all[1].promises[0];
        assert_eq!(outcome.verdict, Verdict::NotApplicable);
        assert_eq!(outcome.evidence, "there is no PERSIST");
        assert!(!subject.not_kept.contains(&outcome.id));
    }
}

#[test]
fn the_run_ends_at_the_first_error_that_is_not_the_guests() {
    let log = Log::default();
    let mut subject = Script::new(|promise| match promise.id {
        "persist.mounted" => Err(ended()),
        _ => kept(promise),
    });
    let boot = Ok(Duration::from_secs(1));
    let result = judge_on(&mut subject, &three_scenarios(), &boot, &log);
    assert!(result.unwrap_err().is::<Ended>());
    let lines = log.0.lock().unwrap();
    assert_eq!(lines.last().unwrap(), "judging persist.mounted");
    assert!(subject.not_kept.is_empty());
}

#[test]
fn without_a_login_booting_fails_and_the_rest_is_skipped() {
    let mut subject = Script::new(|promise| panic!("{} was checked", promise.id));
    let promises = promises_of(&["boot", "system"].map(|name| scenario(name).unwrap()));
    let all = judge_on(&mut subject, &promises, &no_login(), &Quiet).unwrap();
    let (boot, system) = (&all[0].promises[0], &all[1].promises[0]);
    assert_eq!((boot.verdict, boot.found), (Verdict::Fail, true));
    assert!(boot.evidence.ends_with("Kernel panic"), "{}", boot.evidence);
    assert_eq!((system.verdict, system.found), (Verdict::Skip, false));
    assert_eq!(
        system.evidence,
        "the machine did not boot: no login within 5 s"
    );
    assert_eq!(
        subject.not_kept,
        [
            "boot.reaches-target",
            "system.identity",
            "system.leaves-the-clock",
            "system.leaves-the-disks",
            "network.only-its-name-server"
        ]
    );
    // Without a promise about booting, the first one shows the console.
    let all = judge_on(&mut subject, &three_scenarios(), &no_login(), &Quiet).unwrap();
    let with_console = all
        .iter()
        .flat_map(|scenario| &scenario.promises)
        .map(|outcome| outcome.evidence.contains("Kernel panic"));
    assert_eq!(
        with_console.collect::<Vec<_>>(),
        [true, false, false, false, false, false, false, false]
    );
}
