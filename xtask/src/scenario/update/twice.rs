//! `update.twice`

use anyhow::{Context as _, Result};

use super::attempt::Attempt;
use super::published::{NEWER, NEWEST, Published};
use super::trial::{self, Settled};
use crate::scenario::{Context, Finding};
use crate::update_release::UpdateRelease;
use crate::update_release::derived::{Changes, derive};

/// Prints the running system's store: its device and its label.
const SLOT: &str = "lsblk -no PATH,PARTLABEL /dev/ollamalive/STORE | head -n 1";
/// Prints the labels of both stores.
const BOTH: &str = "lsblk -no PARTLABEL /dev/ollamalive/stick | grep ^store_ | sort";

/// A second update, made while the second slot runs.
#[derive(Debug, Clone)]
struct Facts {
    /// Device and label of the store that ran before.
    before: String,
    installed: Attempt,
    settled: Settled,
    after: String,
    both: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    trial::judged(gather(cx), judge)
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let published = Published::shared(cx)?;
    let image = cx.folder.join("newest.raw");
    let newer = cx.newer.clone().context("there is no newer image")?;
    let changes = Changes {
        parameters: Vec::new(),
        rehash: true,
    };
    derive(&newer, &image, NEWEST, &changes)?;
    let newest = UpdateRelease::make(&image, &cx.folder.join("newest"))?;
    if trial::state(cx)?.version != NEWER {
        let files = published.newer.signed(&published.signer)?;
        // A failure here shows in the second update's facts.
        if published.offer(cx, files)?.status == 0 {
            trial::restart(cx)?;
        }
    }
    let before = cx.machine.succeed(SLOT)?;
    let installed = published.offer(cx, newest.signed(&published.signer)?)?;
    let settled = trial::restart(cx)?;
    Ok(Facts {
        before: squeezed(&before),
        installed,
        settled,
        after: squeezed(&cx.machine.succeed(SLOT)?),
        both: squeezed(&cx.machine.succeed(BOTH)?),
    })
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn judge(facts: &Facts) -> Finding {
    let mut faults: Vec<String> = facts
        .installed
        .fault("the second update")
        .into_iter()
        .collect();
    let device = |slot: &str| slot.split(' ').next().unwrap_or_default().to_string();
    if !facts.before.ends_with(&format!("store_{NEWER}")) {
        faults.push(format!("before the update, {} ran", facts.before));
    }
    if !facts.after.ends_with(&format!("store_{NEWEST}")) {
        faults.push(format!("after the update, {} runs", facts.after));
    }
    if device(&facts.before) == device(&facts.after) {
        faults.push(format!(
            "the slot that ran was overwritten: {}",
            facts.after
        ));
    }
    if facts.both != format!("store_{NEWER} store_{NEWEST}") {
        faults.push(format!("the slots have {}", facts.both));
    }
    if facts.settled.starts != 1 {
        faults.push(format!(
            "the machine started {} times",
            facts.settled.starts
        ));
    }
    Finding::from_faults(
        &faults,
        format!(
            "the third version runs from the first slot, {}",
            facts.after
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};
    use crate::scenario::update::trial::State;

    fn good() -> Facts {
        Facts {
            before: format!("/dev/vda5 store_{NEWER}"),
            installed: Attempt {
                status: 0,
                said: "installed".into(),
            },
            settled: Settled {
                starts: 1,
                state: State {
                    version: NEWER.into(),
                    trial: false,
                    undone: Vec::new(),
                },
                seconds: 100,
            },
            after: format!("/dev/vda3 store_{NEWEST}"),
            both: format!("store_{NEWER} store_{NEWEST}"),
        }
    }

    #[test]
    fn kept_when_the_first_slot_runs_again() {
        assert_kept(
            judge(&good()),
            "the third version runs from the first slot, /dev/vda3 store_21000101000000",
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
                    "the second update was not installed: exit 1: installed",
                ),
                (
                    |facts| facts.before = "/dev/vda5 store_1".into(),
                    "before the update, /dev/vda5 store_1 ran",
                ),
                (
                    |facts| facts.after = format!("/dev/vda3 store_{NEWER}"),
                    "after the update, /dev/vda3 store_20990101000000 runs",
                ),
                (
                    |facts| facts.after = format!("/dev/vda5 store_{NEWEST}"),
                    "the slot that ran was overwritten: /dev/vda5 store_21000101000000",
                ),
                (
                    |facts| facts.both = format!("store_{NEWEST}"),
                    "the slots have store_21000101000000",
                ),
                (
                    |facts| facts.settled.starts = 2,
                    "the machine started 2 times",
                ),
            ],
        );
    }
}
