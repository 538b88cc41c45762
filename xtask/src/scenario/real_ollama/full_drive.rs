//! `ollama.survives-full-drive`

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::api::Api;
use super::in_words;
use super::lan_registry::{CROWDED, name, pull, with_registry};
use super::models::{self, ALPHABET, PROMPT, fault, names, right_answer};
use super::registry::{Behaviour, Registry};
use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, Finding};

/// Bytes that are left: not half of a model, so the pull begins and cannot end.
const LEFT: u64 = 200_000;
/// Writing the drive full, under emulation.
const FILL: Duration = Duration::from_secs(240);
/// What the system says when no room is left.
const NO_ROOM: &str = "no space left on device";

#[derive(Debug, Clone)]
struct Facts {
    /// The pull onto the full drive.
    full: Result<(), String>,
    /// The models after it.
    listed: Vec<String>,
    /// What a model that was there before answers on the full drive, loaded anew.
    before: Result<String, String>,
    /// The same pull once there is room.
    pulled: Result<(), String>,
    answer: Result<String, String>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let facts = with_registry(cx, gather)?;
    Ok(judge(&facts, &right_answer()))
}

fn gather(cx: &mut Context, registry: &Registry, host: &str) -> Result<Facts> {
    let api = Api::of(cx)?;
    registry.behave(Behaviour::Healthy);
    models::ensure(&api, ALPHABET)?;
    let ballast = format!("{}/ballast", cx.contract.ollama.models_word());
    let on_full = fill(cx, &ballast).and_then(|()| on_full(&api, host));
    // Even after an error: the promises that follow need room.
    cx.machine.succeed(&format!("rm -f {ballast}; sync"))?;
    let (full, listed, before) = on_full?;
    Ok(Facts {
        full,
        listed,
        before,
        pulled: pull(&api, host, CROWDED).map_err(in_words),
        answer: api.generate(&name(host, CROWDED), PROMPT).map_err(in_words),
    })
}

/// Leaves [`LEFT`] bytes on the drive with the models.
fn fill(cx: &mut Context, ballast: &str) -> Result<()> {
    let folder = cx.contract.ollama.models_word();
    // ext4 reserves blocks quickly, and has some more for root; NTFS has to be written.
    let command = format!(
        "fallocate -l $(df --output=avail -B1 {folder} | tail -n 1) {ballast} 2>/dev/null; cat /dev/zero >> {ballast} 2>/dev/null; \
         truncate -s -{LEFT} {ballast}; sync; df --output=avail -B1 {folder} | tail -n 1"
    );
    let free = cx.machine.exec_within(&[&command], FILL)?.remove(0).text;
    let bytes: u64 = free
        .trim()
        .parse()
        .with_context(|| format!("the drive could not be filled: {free}"))?;
    ensure!(
        bytes < 2 * LEFT,
        "the drive could not be filled: {bytes} bytes are free"
    );
    Ok(())
}

type OnFull = (Result<(), String>, Vec<String>, Result<String, String>);

fn on_full(api: &Api, host: &str) -> Result<OnFull> {
    let full = pull(api, host, CROWDED).map_err(in_words);
    let listed = names(api)?;
    // Out of memory with it: it has to be read from the drive.
    api.post(
        "/api/generate",
        &json!({ "model": ALPHABET, "keep_alive": 0 }),
    )?;
    let before = api.generate(ALPHABET, PROMPT).map_err(in_words);
    Ok((full, listed, before))
}

fn judge(facts: &Facts, right: &str) -> Finding {
    let mut faults = Vec::new();
    match &facts.full {
        Ok(()) => faults.push("a pull onto the full drive is a success".to_string()),
        Err(error) if error.contains(NO_ROOM) => {}
        Err(error) => faults.push(format!("the error does not say that it is full: {error}")),
    }
    if facts.listed.iter().any(|name| name.contains(CROWDED)) {
        faults.push("a model that did not fit is listed".to_string());
    }
    if let Some(fault) = fault(&facts.before, right) {
        faults.push(format!("on the full drive: {fault}"));
    }
    if let Err(error) = &facts.pulled {
        faults.push(format!("the pull failed once there was room: {error}"));
    }
    faults.extend(fault(&facts.answer, right));
    let error = facts.full.as_ref().err().map_or("", String::as_str);
    let kept = format!(
        "an error ({error}), and a model from before answers; once there was room, the pull went on, and its model answers"
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            full: Err("500: write x-partial: no space left on device".to_string()),
            listed: vec!["alphabet:latest".to_string()],
            before: Ok("DE".to_string()),
            pulled: Ok(()),
            answer: Ok("DE".to_string()),
        }
    }

    #[test]
    fn kept_when_it_is_an_error_and_nothing_is_lost() {
        assert_kept(
            judge(&good(), "DE"),
            "an error (500: write x-partial: no space left on device), and a model from before answers; once there was room, \
             the pull went on, and its model answers",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |facts| judge(facts, "DE"),
            &[
                (
                    |facts| facts.full = Ok(()),
                    "a pull onto the full drive is a success",
                ),
                (
                    |facts| facts.full = Err("500: EOF".to_string()),
                    "the error does not say that it is full: 500: EOF",
                ),
                (
                    |facts| {
                        facts
                            .listed
                            .push("10.0.2.2/library/crowded:latest".to_string());
                    },
                    "a model that did not fit is listed",
                ),
                (
                    |facts| facts.before = Err("500: x".to_string()),
                    "on the full drive: the model does not answer: 500: x",
                ),
                (
                    |facts| facts.before = Ok("x".to_string()),
                    "on the full drive: the model answers \"x\"",
                ),
                (
                    |facts| facts.pulled = Err("EOF".to_string()),
                    "the pull failed once there was room: EOF",
                ),
                (
                    |facts| facts.answer = Ok("x".to_string()),
                    "the model answers \"x\"",
                ),
            ],
        );
    }
}
