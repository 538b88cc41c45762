//! `update.falls-back`

use anyhow::Result;

use super::attempt::{Attempt, update};
use super::published::{BAD, Published, connect, worse};
use super::trial::{self, Settled, State, Undone};
use crate::scenario::{Context, Finding, login_banner, one_line};
use crate::update_release::UpdateRelease;
use crate::update_release::derived::ParameterEdit;

/// A version that does not start, and the machine afterwards.
#[derive(Debug, Clone)]
struct Facts {
    installed: Attempt,
    first: String,
    settled: Settled,
    banner: String,
    /// A second attempt to install the same version.
    again: Attempt,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    trial::judged(gather(cx), judge)
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let published = Published::shared(cx)?;
    // The initrd does not find the system's init.
    let edit = ParameterEdit::Set {
        name: "init".into(),
        value: "/nonexistent".into(),
    };
    let image = worse(cx, vec![edit])?;
    let bad = UpdateRelease::make(&image, &cx.folder.join("bad"))?;
    let installed = published.offer(cx, bad.signed(&published.signer)?)?;
    let settled = trial::restart(cx)?;
    connect(cx, &published.server)?;
    let banner = cx
        .machine
        .succeed(&login_banner(&cx.machine.login().user.clone()))?;
    let again = update(cx, "")?;
    Ok(Facts {
        installed,
        first: published.first.clone(),
        settled,
        banner: one_line(&banner),
        again,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults: Vec<String> = facts.installed.fault("the update").into_iter().collect();
    let State {
        version, undone, ..
    } = &facts.settled.state;
    if *version != facts.first {
        faults.push(format!("{version} runs, and {} did before", facts.first));
    }
    match undone.as_slice() {
        [Undone { version, why }] if version == BAD && !why.is_empty() => {}
        other => faults.push(format!("{BAD} is not named as undone: {other:?}")),
    }
    // Three tries, then the previous version.
    if facts.settled.starts != 4 {
        faults.push(format!(
            "the machine started {} times",
            facts.settled.starts
        ));
    }
    if !facts
        .banner
        .contains(&format!("update to version {BAD} was undone"))
    {
        faults.push(format!(
            "the login banner does not name the undone update: {}",
            facts.banner
        ));
    }
    let Attempt { status, said } = &facts.again;
    if *status != 1 || !said.contains("was tried and undone") {
        faults.push(format!("{BAD} is accepted again: exit {status}: {said}"));
    }
    Finding::from_faults(
        &faults,
        format!(
            "three tries, and {} again after {} s; the same version is not accepted again",
            facts.first, facts.settled.seconds
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        let attempt = |status, said: &str| Attempt {
            status,
            said: said.into(),
        };
        Facts {
            installed: attempt(0, "installed"),
            first: "1".into(),
            settled: Settled {
                starts: 4,
                state: State {
                    version: "1".into(),
                    trial: false,
                    undone: vec![Undone {
                        version: BAD.into(),
                        why: "it did not start".into(),
                    }],
                },
                seconds: 300,
            },
            banner: format!("The update to version {BAD} was undone: it did not start."),
            again: attempt(1, "Version 2 was tried and undone"),
        }
    }

    #[test]
    fn kept_when_the_version_before_runs_again() {
        assert_kept(
            judge(&good()),
            "three tries, and 1 again after 300 s; the same version is not accepted again",
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
                    |facts| facts.settled.state.version = "2".into(),
                    "2 runs, and 1 did before",
                ),
                (
                    |facts| facts.settled.state.undone.clear(),
                    "20980101000000 is not named as undone: []",
                ),
                (
                    |facts| facts.settled.starts = 2,
                    "the machine started 2 times",
                ),
                (
                    |facts| facts.banner = "Welcome".into(),
                    "the login banner does not name the undone update: Welcome",
                ),
                (
                    |facts| facts.again.status = 0,
                    "20980101000000 is accepted again: exit 0: Version 2 was tried and undone",
                ),
            ],
        );
    }
}
