//! One cause that is made to happen, said, and undone.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use vm::process::pause;
use vm::{Ended, HostError};

use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, Finding};

/// For one episode, under emulation. The shell's own loops end long before.
const DEADLINE: Duration = Duration::from_secs(600);
/// For one look at whether it is over.
const ANSWER: Duration = Duration::from_secs(20);
/// What the script of the last episode has printed, once it is over.
const PLAYED: &str = "/run/played";

/// A cause, or several that come together.
#[derive(Debug)]
pub struct Episode {
    pub causes: &'static [&'static str],
    /// The state that the machine reports then.
    pub state: &'static str,
    /// Shell commands, as root, that make it happen and undo it. `$unit`, `$port`, `$image` are Ollama's, `$drive` the path of
    /// the models drive and `$name` its name as configured.
    pub make: &'static str,
    pub undo: &'static str,
}

/// What was reported.
#[derive(Debug, Clone)]
pub struct Said {
    /// `ollamalive status --json` once it named the causes, or the last one.
    pub during: String,
    /// The same once it named none of them after the undoing, or the last one.
    pub after: String,
}

/// Plays `episodes` on a machine whose Ollama serves.
pub fn gather(cx: &mut Context, episodes: &[Episode]) -> Result<Vec<Said>> {
    wait_until_up(cx)?;
    episodes.iter().map(|episode| play(cx, episode)).collect()
}

/// Lets the machine play it alone, since some episodes take the cable away. What it has written is fetched afterwards.
fn play(cx: &mut Context, episode: &Episode) -> Result<Said> {
    let causes = episode.causes.join(", ");
    let script = script(cx.contract, episode);
    let script = shlex::try_quote(&script)?;
    cx.machine.succeed(&format!(
        "rm -f {PLAYED}; (setsid sh -c {script} < /dev/null > {PLAYED}.new 2>&1; mv {PLAYED}.new {PLAYED}) &"
    ))?;
    let end = Instant::now() + DEADLINE;
    let played = loop {
        pause(Duration::from_secs(2))?;
        // There is no shell while the cable is away. A machine that has ended never answers.
        let look = cx.machine.exec_within(&[&format!("cat {PLAYED}")], ANSWER);
        match look.map_err(|error| cx.machine.blame(error)) {
            Ok(outputs) if outputs[0].ok() => break outputs[0].text.clone(),
            Err(error) if error.is::<Ended>() || error.is::<HostError>() => return Err(error),
            _ => {}
        }
        if Instant::now() > end {
            let [log] = cx.exec([&format!("cat /run/episode.log {PLAYED}.new")])?;
            let seconds = DEADLINE.as_secs();
            bail!("{causes}: not played within {seconds} s: {}", log.text);
        }
    };
    let (during, after) = played
        .split_once("\n====\n")
        .with_context(|| format!("{causes}: {played}"))?;
    Ok(Said {
        during: during.trim().to_string(),
        after: after.trim().to_string(),
    })
}

/// The shell script of an episode. A changed folder of notices makes the machine look at once. A cause that lets Ollama serve
/// is said before it does, so the state is waited for as well.
fn script(contract: &crate::contract::Contract, episode: &Episode) -> String {
    let has = |cause: &&str| format!("grep -qF '\"id\":\"{cause}\"' /run/said");
    let named: Vec<String> = episode.causes.iter().map(has).collect();
    let look = "touch /run/ollamalive/notices; sleep 3; ollamalive status --json > /run/said";
    format!(
        "unit={unit} port={port} image={image} name='{name}'\n\
         drive=$(blkid -o device -t \"$name\" | head -n 1)\n\
         {{ {make}\n}} > /run/episode.log 2>&1\n\
         for turn in $(seq 30); do {look}; if {all} && {state}; then break; fi; done; cat /run/said\n\
         echo ====\n\
         {{ {undo}\n}} >> /run/episode.log 2>&1\n\
         for turn in $(seq 30); do {look}; if ! {{ {any}; }}; then break; fi; done; cat /run/said",
        unit = contract.ollama.unit,
        port = contract.ollama.port,
        image = contract.ollama.image,
        name = contract.models.drive.as_deref().unwrap_or_default(),
        make = episode.make,
        undo = episode.undo,
        all = named.join(" && "),
        // Each cause has a state too; the machine's own comes first.
        state = format_args!("grep -q '^{{\"state\":\"{}\"' /run/said", episode.state),
        any = named.join(" || "),
    )
}

/// The ids of the causes in a state, and the state.
fn read(json: &str) -> Result<(String, Vec<String>)> {
    let state: Value = serde_json::from_str(json).with_context(|| json.to_string())?;
    let causes = state["causes"].as_array().context("no causes")?;
    let ids = causes.iter().filter_map(|cause| cause["id"].as_str());
    Ok((
        state["state"].as_str().unwrap_or_default().to_string(),
        ids.map(str::to_string).collect(),
    ))
}

/// Each cause has to be said, with the right state, and not any more after it.
pub fn judge(episodes: &[Episode], said: &[Said]) -> Finding {
    let mut faults = Vec::new();
    for (episode, said) in episodes.iter().zip(said) {
        let (state, ids) = match read(&said.during) {
            Ok(read) => read,
            Err(error) => {
                faults.push(format!("no state: {error:#}"));
                continue;
            }
        };
        let list = ids.join(", ");
        for cause in episode.causes {
            if !ids.iter().any(|id| id == cause) {
                faults.push(format!("{cause} is not said: {state} ({list})"));
            }
        }
        if state != episode.state {
            let causes = episode.causes.join(", ");
            faults.push(format!("with {causes} the state is {state} ({list})"));
        }
        let still = read(&said.after).map_or_else(|error| vec![error.to_string()], |(_, ids)| ids);
        for cause in episode.causes {
            if still.iter().any(|id| id == cause) {
                faults.push(format!("{cause} is still said when it is over"));
            }
        }
    }
    let causes: Vec<&str> = episodes
        .iter()
        .flat_map(|one| one.causes)
        .copied()
        .collect();
    Finding::from_faults(&faults, format!("says {}", causes.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    const EPISODES: &[Episode] = &[Episode {
        causes: &["port-taken"],
        state: "not serving",
        make: "",
        undo: "",
    }];

    fn good() -> Vec<Said> {
        vec![Said {
            during: r#"{"state":"not serving","causes":[{"id":"port-taken"},{"id":"gpu-none"}]}"#
                .to_string(),
            after: r#"{"state":"degraded","causes":[{"id":"gpu-none"}]}"#.to_string(),
        }]
    }

    #[test]
    fn kept_when_the_cause_comes_and_goes() {
        assert_kept(judge(EPISODES, &good()), "says port-taken");
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |said| judge(EPISODES, said),
            &[
                (
                    |said| {
                        said[0].during =
                            r#"{"state":"not serving","causes":[{"id":"restarts"}]}"#.to_string();
                    },
                    "port-taken is not said: not serving (restarts)",
                ),
                (
                    |said| said[0].during = said[0].during.replace("not serving", "starting"),
                    "with port-taken the state is starting (port-taken, gpu-none)",
                ),
                (
                    |said| said[0].after = said[0].during.clone(),
                    "port-taken is still said when it is over",
                ),
                (
                    |said| said[0].during = r#"{"state":"serving"}"#.to_string(),
                    "no state: no causes",
                ),
            ],
        );
    }
}
