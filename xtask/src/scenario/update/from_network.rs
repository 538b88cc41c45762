//! `update.from-network`, `update.keeps-persist`

use std::collections::BTreeSet;
use std::rc::Rc;

use anyhow::Result;

use super::attempt::{Attempt, update};
use super::published::{NEWER, Published, connect};
use super::trial::{self, Settled};
use crate::scenario::durability::host_keys;
use crate::scenario::{Context, Finding, systemd};

/// More than this is not free on a PC that Windows and a model share, in MiB.
const MOST_MEMORY: u64 = 200;
/// Prints the least memory that was available while the command before it ran: sampled once a second, in MiB.
const SAMPLE: &str = "(while :; do awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; sleep 1; done > /run/memory) & echo $! > /run/sampler";
const LEAST: &str = "kill $(cat /run/sampler); sort -n /run/memory | sed -n '1p;$p'";
/// A file of the owner's.
const DATA: &str = "/persist/home/before-the-update";

/// What an owner has on the stick.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Belongings {
    host_keys: BTreeSet<String>,
    machine_id: String,
    /// UUID of PERSIST's file system.
    file_system: String,
    data: String,
}

#[derive(Debug, Clone)]
struct Facts {
    looked: Attempt,
    installed: Attempt,
    /// MiB that the update took.
    memory: u64,
    settled: Settled,
    /// The image version in the system that runs.
    runs: String,
    failed: String,
    before: Belongings,
    after: Belongings,
}

fn facts(cx: &mut Context) -> Result<Rc<Facts>> {
    cx.shared(gather)
}

fn belongings(cx: &mut Context) -> Result<Belongings> {
    let [machine_id, file_system, data] = cx
        .exec([
            "cat /etc/machine-id",
            "findmnt -no UUID --mountpoint /persist",
            &format!("sha256sum < {DATA}"),
        ])?
        .map(|output| output.text.trim().to_string());
    Ok(Belongings {
        host_keys: host_keys(cx)?,
        machine_id,
        file_system,
        data,
    })
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let published = Published::shared(cx)?;
    connect(cx, &published.server)?;
    published
        .server
        .publish(published.newer.signed(&published.signer)?);
    cx.machine.succeed(&format!(
        "head -c 1000000 /dev/urandom > {DATA} && sync {DATA}"
    ))?;
    let before = belongings(cx)?;
    let looked = update(cx, "--check")?;
    cx.machine.succeed(SAMPLE)?;
    let installed = update(cx, "")?;
    let memory = cx.machine.succeed(LEAST)?;
    let settled = trial::restart(cx)?;
    // The boot is over when its last job is.
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
        after: belongings(cx)?,
    })
}

/// The difference between two numbers, a line each; everything if they are not there.
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
    Ok(judge(&*facts(cx)?))
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
    Ok(judge_belongings(&*facts(cx)?))
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
    for (what, same) in [
        ("the host keys", before.host_keys == after.host_keys),
        ("the machine ID", before.machine_id == after.machine_id),
        (
            "PERSIST's file system",
            before.file_system == after.file_system,
        ),
        ("the owner's file", before.data == after.data),
    ] {
        if !same {
            faults.push(format!("{what} changed: {before:?} and {after:?}"));
        }
    }
    Finding::from_faults(
        &faults,
        "the same host keys, machine ID, file system and data",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};
    use crate::scenario::update::trial::{State, Undone};

    fn good() -> Facts {
        let attempt = |said: String| Attempt { status: 0, said };
        let belongings = Belongings {
            host_keys: BTreeSet::from(["ssh-ed25519 SHA256:f1".to_string()]),
            machine_id: "6f".into(),
            file_system: "u".into(),
            data: "d".into(),
        };
        Facts {
            looked: attempt(format!("Version {NEWER} is newer than 1, which runs.")),
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
            before: belongings.clone(),
            after: belongings,
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
        let changes: [fn(&mut Facts); 4] = [
            |facts| facts.after.host_keys.clear(),
            |facts| facts.after.machine_id.clear(),
            |facts| facts.after.file_system.clear(),
            |facts| facts.after.data.clear(),
        ];
        for change in changes {
            let mut facts = good();
            change(&mut facts);
            assert!(matches!(judge_belongings(&facts), Finding::Broken(_)));
        }
    }

    #[test]
    fn memory_is_the_range_of_the_samples() {
        assert_eq!(range("100\n130\n"), 30);
        assert_eq!(range(""), u64::MAX);
    }
}
