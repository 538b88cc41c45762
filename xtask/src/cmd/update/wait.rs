//! Waiting for a machine that restarts into a new version.

use std::time::{Duration, Instant};

use anyhow::Result;
use vm::process;

use super::host::Host;
use super::remote::Remote;
use crate::update_state::State;

/// The pause between two queries.
const EVERY: Duration = Duration::from_secs(3);
/// Three tries of the new version, of 25 minutes each if it hangs (modules/trial.nix), and a start of the old one.
const DEADLINE: Duration = Duration::from_secs(90 * 60);
/// A machine that still answers after this time is not going to restart.
const GOES_AWAY: Duration = Duration::from_secs(5 * 60);

/// An update that was sent.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub host: Host,
    pub old: String,
    pub new: String,
    /// Whether the new version was listed as undone before it was sent.
    pub known_undone: bool,
    /// Whether the machine has confirmed that the new version is installed.
    pub installed: bool,
}

/// The answer to one query.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// Time since the update was sent.
    pub after: Duration,
    /// The machine's state, or why there is none.
    pub state: Result<State, String>,
}

/// How an update ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Well,
    Undone {
        why: String,
        runs: String,
    },
    /// Not known by the deadline: what was seen last, and what to do.
    Unsettled(String),
}

/// How far the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has not restarted yet.
    Before,
    /// It does not answer.
    Away,
    /// The new version is on trial.
    Trial,
    /// The new version is healthy.
    Well,
    /// The old version runs after a restart. Whether the new one was undone is not known yet.
    Back,
}

/// The phase at the last sighting, which depends on the earlier ones too.
fn phase(attempt: &Attempt, seen: &[Sighting]) -> Phase {
    let other = |sighting: &Sighting| match &sighting.state {
        Ok(state) => state.version != attempt.old,
        Err(_) => true,
    };
    match seen.last().map(|last| &last.state) {
        None => Phase::Before,
        Some(Err(_)) => Phase::Away,
        Some(Ok(state)) if state.version == attempt.new && state.trial => Phase::Trial,
        Some(Ok(state)) if state.version == attempt.new => Phase::Well,
        Some(Ok(_)) if seen.iter().any(other) => Phase::Back,
        Some(Ok(_)) => Phase::Before,
    }
}

/// How the update ended; None while it is under way.
pub fn outcome(attempt: &Attempt, seen: &[Sighting]) -> Option<Outcome> {
    let Attempt { host, old, new, .. } = attempt;
    let last = seen.last()?;
    let phase = phase(attempt, seen);
    let undone = |state: &State| {
        state.undone_why(new).map(|why| Outcome::Undone {
            why: why.to_string(),
            runs: state.version.clone(),
        })
    };
    let late = last.after >= DEADLINE;
    let minutes = last.after.as_secs() / 60;
    let ssh = host.ssh();
    let ask = format!("`{ssh} ollamalive update --state`");
    let unsettled = match (&last.state, phase) {
        (_, Phase::Well) => return Some(Outcome::Well),
        // A new entry says that the version was undone. An entry from before the update counts only after a restart.
        (Ok(state), Phase::Before) if !attempt.known_undone && undone(state).is_some() => {
            return undone(state);
        }
        (Ok(state), Phase::Back) if undone(state).is_some() => return undone(state),
        (_, Phase::Before) if last.after >= GOES_AWAY => match attempt.installed {
            true => format!(
                "version {new} is installed on {host}, which has not restarted within {minutes} min: restart it with `{ssh} sudo systemctl reboot`"
            ),
            false => format!(
                "the connection to {host} was lost at the end of the data, and version {old} still runs there: run this again"
            ),
        },
        _ if !late => return None,
        (Err(why), _) => format!(
            "{host} does not answer {minutes} min after version {new} was sent ({why}): look at its screen; if version {new} does not start, version {old} starts again automatically"
        ),
        (Ok(_), Phase::Trial) => format!(
            "version {new} is still on trial on {host} after {minutes} min: `{ssh} ollamalive status` shows what is wrong"
        ),
        (Ok(state), _) => format!(
            "{host} runs version {} after {minutes} min, and does not say what became of version {new}: ask it again with {ask}",
            state.version
        ),
    };
    Some(Outcome::Unsettled(unsettled))
}

/// Queries the machine until the update has ended, at the latest at the deadline.
///
/// # Errors
/// Ctrl-C.
pub fn until_settled(remote: &Remote, attempt: &Attempt) -> Result<Outcome> {
    let start = Instant::now();
    let (mut seen, mut shown) = (Vec::new(), Phase::Before);
    outln!("waiting    for {} to restart", attempt.host);
    loop {
        process::pause(EVERY)?;
        let state = remote.try_state()?;
        let after = start.elapsed();
        seen.push(Sighting { after, state });
        let now = phase(attempt, &seen);
        if now != shown {
            shown = now;
            let says = match now {
                Phase::Away => "the machine is offline",
                Phase::Trial => "the new version is running, on trial",
                Phase::Back => "the old version is running again",
                Phase::Before | Phase::Well => "",
            };
            if !says.is_empty() {
                outln!("after {:3} s {says}", after.as_secs());
            }
        }
        if let Some(outcome) = outcome(attempt, &seen) {
            return Ok(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update_state::Undone;

    const MINUTE: u64 = 60;

    fn attempt() -> Attempt {
        Attempt {
            host: Host::new("pc", None).unwrap(),
            old: "1".into(),
            new: "2".into(),
            known_undone: false,
            installed: true,
        }
    }

    fn runs(version: &str, trial: bool, undone: &[&str]) -> Result<State, String> {
        let undone = undone.iter().map(|version| Undone {
            version: version.to_string(),
            why: "no network".into(),
        });
        Ok(State {
            version: version.into(),
            trial,
            undone: undone.collect(),
        })
    }

    fn away() -> Result<State, String> {
        Err("Connection refused".into())
    }

    /// The outcome after these sightings, a second apart, the last one `last` seconds after the start.
    fn after(attempt: &Attempt, last: u64, states: &[Result<State, String>]) -> Option<Outcome> {
        let mut seen: Vec<Sighting> = (0..)
            .zip(states)
            .map(|(second, state)| Sighting {
                after: Duration::from_secs(second),
                state: state.clone(),
            })
            .collect();
        seen.last_mut().unwrap().after = Duration::from_secs(last);
        outcome(attempt, &seen)
    }

    fn unsettled(attempt: &Attempt, last: u64, states: &[Result<State, String>]) -> String {
        match after(attempt, last, states) {
            Some(Outcome::Unsettled(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_version_is_well_once_its_trial_is_over() {
        let attempt = attempt();
        let mut seen = vec![runs("1", false, &[])];
        for next in [away(), runs("2", true, &[])] {
            assert_eq!(after(&attempt, 20, &seen), None);
            seen.push(next);
        }
        assert_eq!(after(&attempt, 60, &seen), None);
        seen.push(runs("2", false, &[]));
        assert_eq!(after(&attempt, 70, &seen), Some(Outcome::Well));
        // A restart so quick that nothing of it was seen.
        assert_eq!(
            after(&attempt, 3, &[runs("2", false, &[])]),
            Some(Outcome::Well)
        );
    }

    #[test]
    fn a_version_that_is_listed_as_undone_is_undone() {
        let undone = Some(Outcome::Undone {
            why: "no network".into(),
            runs: "1".into(),
        });
        let back = [
            away(),
            runs("2", true, &[]),
            away(),
            runs("1", false, &["2"]),
        ];
        assert_eq!(after(&attempt(), 300, &back), undone);
        // Without an entry it may still come.
        let back = [away(), runs("1", false, &["0"])];
        assert_eq!(after(&attempt(), 300, &back), None);
    }

    #[test]
    fn an_entry_from_before_counts_only_after_a_restart() {
        let known = Attempt {
            known_undone: true,
            ..attempt()
        };
        let before = runs("1", false, &["2"]);
        assert_eq!(after(&known, 3, std::slice::from_ref(&before)), None);
        let undone = after(&known, 60, &[away(), before]);
        assert!(matches!(undone, Some(Outcome::Undone { .. })), "{undone:?}");
    }

    #[test]
    fn a_machine_that_does_not_restart_is_not_waited_for() {
        let stays = [runs("1", false, &[])];
        assert_eq!(after(&attempt(), 5 * MINUTE - 1, &stays), None);
        let what = unsettled(&attempt(), 5 * MINUTE, &stays);
        assert!(
            what.contains("is installed on pc") && what.contains("systemctl reboot"),
            "{what}"
        );
        let lost = Attempt {
            installed: false,
            ..attempt()
        };
        let what = unsettled(&lost, 5 * MINUTE, &stays);
        assert!(
            what.contains("was lost at the end") && what.contains("run this again"),
            "{what}"
        );
        // One that was away is.
        assert_eq!(
            after(&attempt(), 89 * MINUTE, &[away(), runs("1", false, &[])]),
            None
        );
    }

    #[test]
    fn the_deadline_says_what_is_known() {
        for (last, words) in [
            (away(), "does not answer 90 min after"),
            (runs("2", true, &[]), "is still on trial on pc"),
            (
                runs("1", false, &[]),
                "does not say what became of version 2",
            ),
            (runs("7", false, &[]), "runs version 7"),
        ] {
            let seen = [away(), last];
            assert_eq!(after(&attempt(), 90 * MINUTE - 1, &seen), None);
            let what = unsettled(&attempt(), 90 * MINUTE, &seen);
            assert!(what.contains(words), "{what}");
        }
    }
}
