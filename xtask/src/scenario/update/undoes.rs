//! `update.undoes-crashes`

use std::time::Duration;

use anyhow::Result;

use super::attempt::Attempt;
use super::published::{NEWER, Published};
use super::trial::{self, Settled};
use crate::disk_fixtures::MODELS;
use crate::scenario::{Context, Finding};

/// What happens to a version in its tries, one in each: words for it, and the command that causes it.
const BLOWS: [(&str, &str); 2] = [
    // Without the watchdog, which would restart the machine as well.
    (
        "its kernel panics",
        "busctl set-property org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager \
         RuntimeWatchdogUSec t 0 && echo c > /proc/sysrq-trigger",
    ),
    // PID 1 no longer feeds the watchdog.
    (
        "its PID 1 hangs",
        "echo 1 > /sys/fs/cgroup/init.scope/cgroup.freeze",
    ),
];
/// The timeout of a restart, which is due 10 s after a panic, and 60 s after PID 1 hangs.
const RESTART: Duration = Duration::from_secs(240);

#[derive(Debug, Clone)]
struct Facts {
    installed: Attempt,
    first: String,
    /// Those of [`BLOWS`] after which the machine did not restart.
    stuck: Vec<&'static str>,
    settled: Settled,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    trial::judged(gather(cx), judge)
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let published = Published::shared(cx)?;
    let good = published.newer.signed(&published.signer)?;
    let installed = published.offer(cx, good)?;
    trial::shut_down(cx)?;
    // Without its models drive, the version is not judged at once. That leaves time for the blows.
    cx.machine
        .reconfigure(|config| config.disks.retain(|disk| disk.serial != MODELS))?;
    trial::come_up(cx)?;
    let mut stuck = Vec::new();
    for (what, blow) in BLOWS {
        trial::require(cx, what)?;
        cx.machine
            .succeed(&format!("(sleep 1; {blow}) >/dev/null 2>&1 &"))?;
        if !cx.machine.ends_within(RESTART)? {
            stuck.push(what);
            cx.machine.power_cut();
        }
        trial::come_up(cx)?;
    }
    // In the third try the PC is switched off.
    trial::require(cx, "the power was cut")?;
    cx.machine.power_cut();
    Ok(Facts {
        installed,
        first: published.first.clone(),
        stuck,
        settled: trial::settle(cx)?,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults: Vec<String> = facts.installed.fault("the update").into_iter().collect();
    for what in &facts.stuck {
        faults.push(format!("the machine does not restart when {what}"));
    }
    let state = &facts.settled.state;
    if state.version != facts.first || !state.undone.iter().any(|undone| undone.version == NEWER) {
        faults.push(format!("after three tries: {state:?}"));
    }
    Finding::from_faults(
        &faults,
        format!(
            "a panic, a PID 1 that hangs, and a power cut: {} runs again",
            facts.first
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};
    use crate::scenario::update::trial::{State, Undone};

    fn good() -> Facts {
        Facts {
            installed: Attempt {
                status: 0,
                said: "installed".into(),
            },
            first: "1".into(),
            stuck: Vec::new(),
            settled: Settled {
                starts: 1,
                state: State {
                    version: "1".into(),
                    trial: false,
                    undone: vec![Undone {
                        version: NEWER.into(),
                        why: "it did not start".into(),
                    }],
                },
                seconds: 100,
            },
        }
    }

    #[test]
    fn kept_when_the_version_before_runs_again() {
        assert_kept(
            judge(&good()),
            "a panic, a PID 1 that hangs, and a power cut: 1 runs again",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.installed.status = 1,
                    "the update was not installed: exit 1: installed",
                ),
                (
                    |facts| facts.stuck.push("its PID 1 hangs"),
                    "the machine does not restart when its PID 1 hangs",
                ),
                (
                    |facts| facts.settled.state.undone.clear(),
                    "after three tries: State { version: \"1\", trial: false, undone: [] }",
                ),
            ],
        );
    }
}
