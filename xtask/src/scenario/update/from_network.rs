//! `update.from-network`, `update.keeps-persist`

use std::rc::Rc;

use anyhow::Result;

use super::attempt::{Attempt, update};
use super::belongings::{self, Belongings};
use super::published::{NEWER, Published};
use super::trial::{self, Settled};
use crate::scenario::{Context, Finding, systemd};

/// The most memory that an update may take, in MiB: a PC with a large model loaded has little to spare.
const MOST_MEMORY: u64 = 200;
/// Starts sampling the available memory in MiB, once a second.
const SAMPLE: &str = "(while :; do awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; sleep 1; done > /run/memory) & echo $! > /run/sampler";
/// Ends the sampling, and prints the least and the most memory.
const LEAST: &str = "kill $(cat /run/sampler); sort -n /run/memory | sed -n '1p;$p'";

#[derive(Debug, Clone)]
struct Facts {
    looked: Attempt,
    installed: Attempt,
    /// MiB that the update took.
    memory: u64,
    settled: Settled,
    /// The image version of the running system.
    runs: String,
    failed: String,
    before: Belongings,
    after: Belongings,
}

fn facts(cx: &mut Context) -> Result<Rc<Facts>> {
    cx.shared(gather)
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let published = Published::shared(cx)?;
    let good = published.newer.signed(&published.signer)?;
    published.publish(cx, good)?;
    belongings::write(cx)?;
    let before = belongings::look(cx)?;
    let looked = update(cx, "--check")?;
    cx.machine.succeed(SAMPLE)?;
    let installed = update(cx, "")?;
    let memory = cx.machine.succeed(LEAST)?;
    let settled = trial::restart(cx)?;
    // Units that start late may fail too.
    cx.machine.settle()?;
    let runs = cx
        .machine
        .succeed("sed -n 's/^IMAGE_VERSION=//p' /etc/os-release | tr -d '\"'")?;
    let failed = cx.machine.succeed(systemd::FAILED_UNITS)?;
    Ok(Facts {
        looked,
        installed,
        memory: range(&memory),
        settled,
        runs: runs.trim().to_string(),
        failed: failed.trim().to_string(),
        before,
        after: belongings::look(cx)?,
    })
}

/// The difference between two numbers, a line each; u64::MAX if they are not there.
fn range(lines: &str) -> u64 {
    let numbers: Vec<u64> = lines
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect();
    match numbers[..] {
        [least, most] => most.saturating_sub(least),
        _ => u64::MAX,
    }
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    trial::judged(facts(cx), |facts| judge(facts))
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    let Attempt { status, said } = &facts.looked;
    if *status != 0 || !said.contains(&format!("{NEWER} is newer than")) {
        faults.push(format!("`update --check`: exit {status}: {said}"));
    }
    let Attempt { status, said } = &facts.installed;
    if *status != 0 || !said.contains(&format!("{NEWER} is installed")) {
        faults.push(format!("`update`: exit {status}: {said}"));
    }
    let Settled { starts, state, .. } = &facts.settled;
    if state.version != NEWER || facts.runs != NEWER {
        faults.push(format!("{} runs", facts.runs));
    }
    if !state.undone.is_empty() {
        faults.push(format!("still named as undone: {:?}", state.undone));
    }
    if *starts != 1 {
        faults.push(format!("the machine started {starts} times"));
    }
    if !facts.failed.is_empty() {
        faults.push(format!("failed units: {}", facts.failed));
    }
    if facts.memory > MOST_MEMORY {
        faults.push(format!("the update took {} MiB of memory", facts.memory));
    }
    let kept = format!(
        "{NEWER} runs, declared good {} s after the restart; the update took {} MiB of memory",
        facts.settled.seconds, facts.memory
    );
    Finding::from_faults(&faults, kept)
}

pub fn keeps_persist(cx: &mut Context) -> Result<Finding> {
    trial::judged(facts(cx), |facts| judge_belongings(facts))
}

fn judge_belongings(facts: &Facts) -> Finding {
    let Facts { before, after, .. } = facts;
    let mut faults = Vec::new();
    if facts.settled.state.version != NEWER {
        faults.push(format!(
            "{} runs, not the update",
            facts.settled.state.version
        ));
    }
    faults.extend(before.changes(after));
    Finding::from_faults(
        &faults,
        "the same host keys, machine ID, file system and data",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};
    use crate::scenario::update::belongings::testing::belongings;
    use crate::scenario::update::trial::{State, Undone};

    fn good() -> Facts {
        let attempt = |said: String| Attempt { status: 0, said };
        Facts {
            looked: attempt(format!(
                "Version {NEWER} is newer than 1, which is running."
            )),
            installed: attempt(format!("Version {NEWER} is installed.")),
            memory: 30,
            settled: Settled {
                starts: 1,
                state: State {
                    version: NEWER.into(),
                    trial: false,
                    undone: Vec::new(),
                },
                seconds: 200,
            },
            runs: NEWER.into(),
            failed: String::new(),
            before: belongings(),
            after: belongings(),
        }
    }

    #[test]
    fn kept_when_the_newer_version_runs() {
        assert_kept(
            judge(&good()),
            "20990101000000 runs, declared good 200 s after the restart; the update took 30 MiB of memory",
        );
        assert_kept(
            judge_belongings(&good()),
            "the same host keys, machine ID, file system and data",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.looked.said = "nothing".into(),
                    "`update --check`: exit 0: nothing",
                ),
                (
                    |facts| facts.installed.status = 1,
                    "`update`: exit 1: Version 20990101000000 is installed.",
                ),
                (|facts| facts.runs = "1".into(), "1 runs"),
                (
                    |facts| {
                        facts.settled.state.undone.push(Undone {
                            version: "1".into(),
                            why: "w".into(),
                        });
                    },
                    "still named as undone: [Undone { version: \"1\", why: \"w\" }]",
                ),
                (
                    |facts| facts.settled.starts = 2,
                    "the machine started 2 times",
                ),
                (
                    |facts| facts.failed = "x.service".into(),
                    "failed units: x.service",
                ),
                (
                    |facts| facts.memory = 900,
                    "the update took 900 MiB of memory",
                ),
            ],
        );
    }

    #[test]
    fn a_change_of_the_owners_state_breaks_it() {
        assert_each_breaks(
            &good(),
            judge_belongings,
            &[(
                |facts| facts.settled.state.version = "1".into(),
                "1 runs, not the update",
            )],
        );
        let mut facts = good();
        facts.after.data.clear();
        assert!(matches!(judge_belongings(&facts), Finding::Broken(_)));
    }

    #[test]
    fn memory_is_the_range_of_the_samples() {
        assert_eq!(range("100\n130\n"), 30);
        assert_eq!(range(""), u64::MAX);
    }
}
