//! `update.refuses`

use anyhow::Result;

use super::attempt::{Attempt, update};
use super::published::{Published, connect};
use super::{slots, trial};
use crate::scenario::{Context, Finding};
use crate::update_release::{UpdateRelease, change_sum};
use crate::update_server::{Behaviour, Files};

/// A release that must not be installed, and words of the refusal.
struct Case {
    what: &'static str,
    files: Files,
    behaviour: Behaviour,
    says: &'static str,
}

#[derive(Debug, Clone)]
struct Refusal {
    what: &'static str,
    says: &'static str,
    attempt: Attempt,
    /// Whether the stick is unchanged.
    untouched: bool,
}

#[derive(Debug, Clone)]
struct Facts {
    refusals: Vec<Refusal>,
    /// The running version, before and after.
    before: String,
    after: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn cases(published: &Published) -> Result<Vec<Case>> {
    let Published {
        newer,
        signer,
        stranger,
        ..
    } = published;
    let changed = |change: &dyn Fn(&mut UpdateRelease)| {
        let mut release = newer.clone();
        change(&mut release);
        release.signed(signer)
    };
    let good = newer.signed(signer)?;
    let case = |what, files: Files, says| Case {
        what,
        files,
        behaviour: Behaviour::Healthy,
        says,
    };
    let served = |what, behaviour, says| Case {
        what,
        files: good.clone(),
        behaviour,
        says,
    };
    // The file that is installed first, and the next one.
    let (name, store) = (|| ".verity".to_string(), || ".store".to_string());
    Ok(vec![
        case("no release", Files::new(), "cannot be downloaded"),
        served(
            "a server that fails",
            Behaviour::Status(503),
            "cannot be downloaded",
        ),
        case(
            "no signature",
            newer.unsigned(),
            "SHA256SUMS.gpg cannot be downloaded",
        ),
        case(
            "a stranger's signature",
            newer.signed(stranger)?,
            "is not signed with the key",
        ),
        case(
            "a checksum that was changed",
            change_sum(&good, "manifest")?,
            "is not signed with the key",
        ),
        case(
            "an older version",
            newer.renamed("20000101000000").signed(signer)?,
            "is older than",
        ),
        case(
            "another layout",
            changed(&|release| release.update.layout_version = 3)?,
            "is for sticks of layout 3",
        ),
        case(
            "a system that is too large",
            changed(&|release| {
                release
                    .update
                    .files
                    .iter_mut()
                    .for_each(|file| file.digest.bytes <<= 8)
            })?,
            "does not fit",
        ),
        case(
            "a damaged file",
            newer.with_wrong_sum(".verity")?.signed(signer)?,
            "was not installed",
        ),
        served(
            "404 in the middle",
            Behaviour::NotFound(store()),
            "was not installed",
        ),
        served(
            "a file that is cut off",
            Behaviour::CutOff {
                name: store(),
                bytes: 100_000,
            },
            "was not installed",
        ),
        served(
            "a length that is too short",
            Behaviour::ShortLength { name: name() },
            "was not installed",
        ),
        served(
            "a length that is too long",
            Behaviour::LongLength { name: name() },
            "was not installed",
        ),
    ])
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let published = Published::shared(cx)?;
    connect(cx, &published.server)?;
    let before = trial::state(cx)?.version;
    let mut refusals = Vec::new();
    for case in cases(&published)? {
        let slots = slots::look(cx)?;
        published.server.publish(case.files);
        published.server.behave(case.behaviour);
        let attempt = update(cx, "")?;
        refusals.push(Refusal {
            what: case.what,
            says: case.says,
            attempt,
            untouched: slots::look(cx)? == slots,
        });
    }
    published.server.behave(Behaviour::Healthy);
    refusals.push(without_room(cx, &published)?);
    Ok(Facts {
        refusals,
        before,
        after: trial::state(cx)?.version,
    })
}

/// An update while the owner's files fill the ESP.
fn without_room(cx: &mut Context, published: &Published) -> Result<Refusal> {
    published
        .server
        .publish(published.newer.signed(&published.signer)?);
    let mounted =
        |act: &str| format!("mount /dev/ollamalive/ESP /mnt && {{ {act}; }}; umount /mnt");
    cx.machine.succeed(&mounted(
        "head -c $(( ($(df --output=avail /mnt | tail -n 1) - 8192) * 1024 )) /dev/zero > /mnt/mine",
    ))?;
    let slots = slots::look(cx)?;
    let attempt = update(cx, "")?;
    let untouched = slots::look(cx)? == slots;
    cx.machine.succeed(&mounted("rm /mnt/mine"))?;
    Ok(Refusal {
        what: "an ESP without room",
        says: "(ESP) has no room",
        attempt,
        untouched,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    for Refusal {
        what,
        says,
        attempt: Attempt { status, said },
        untouched,
    } in &facts.refusals
    {
        if *status != 1 || !said.contains(says) {
            faults.push(format!("{what}: exit {status}: {said}"));
        }
        if !untouched {
            faults.push(format!("{what}: the stick was changed"));
        }
    }
    if facts.before != facts.after {
        faults.push(format!("{} runs after {}", facts.after, facts.before));
    }
    let names: Vec<&str> = facts.refusals.iter().map(|refusal| refusal.what).collect();
    Finding::from_faults(
        &faults,
        format!("refused, and nothing changed: {}", names.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            refusals: vec![Refusal {
                what: "no signature",
                says: "cannot be downloaded",
                attempt: Attempt {
                    status: 1,
                    said: "SHA256SUMS.gpg cannot be downloaded: 404.".into(),
                },
                untouched: true,
            }],
            before: "1".into(),
            after: "1".into(),
        }
    }

    #[test]
    fn kept_when_each_is_refused_and_nothing_changes() {
        assert_kept(judge(&good()), "refused, and nothing changed: no signature");
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.refusals[0].attempt.status = 0,
                    "no signature: exit 0: SHA256SUMS.gpg cannot be downloaded: 404.",
                ),
                (
                    |facts| facts.refusals[0].attempt.said = "done".into(),
                    "no signature: exit 1: done",
                ),
                (
                    |facts| facts.refusals[0].untouched = false,
                    "no signature: the stick was changed",
                ),
                (|facts| facts.after = "2".into(), "2 runs after 1"),
            ],
        );
    }
}
