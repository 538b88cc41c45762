//! `ollama.keeps-partial-downloads`

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use vm::process::pause;

use super::api::Api;
use super::in_words;
use super::lan_registry::{INTERRUPTED, name, pull, pull_request, with_registry};
use super::models::{ALPHABET, PROMPT, ensure, fault, right_answer};
use super::registry::{Behaviour, Registry};
use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, Finding};

/// The pull is interrupted once this many bytes have come.
const ENOUGH: u64 = 150_000;
/// Ollama writes down how far it came when its client has gone.
const NOTE: Duration = Duration::from_secs(3);
/// Complete blobs that no model names: one that is old, and one that a client may be about to name.
const OLD: &str = "sha256-0000000000000000000000000000000000000000000000000000000000000001";
const NEW: &str = "sha256-0000000000000000000000000000000000000000000000000000000000000002";

#[derive(Debug, Clone)]
struct Facts {
    /// The names of blobs after the restart.
    blobs: String,
    /// Where the requests for the rest began, in bytes.
    starts: Vec<u64>,
    /// The pull after the restart.
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
    // Where no model has a name, no blob is removed: the folder may be damaged.
    ensure(&api, ALPHABET)?;
    registry.behave(Behaviour::Slow);
    interrupt(&api, host)?;
    pause(NOTE)?;
    // As if the PC had been off for two hours.
    let unit = &cx.contract.ollama.unit;
    let blobs = format!("{}/blobs", cx.contract.ollama.models_word());
    cx.machine.succeed(&format!(
        "systemctl stop {unit} && echo x > {blobs}/{OLD} && echo x > {blobs}/{NEW} && \
         find {blobs} -name '*-partial*' -exec touch -d '2 hours ago' {{}} + && touch -d '8 days ago' {blobs}/{OLD} && \
         systemctl start --no-block {unit}"
    ))?;
    wait_until_up(cx)?;
    let [listed] = cx.exec([&format!("ls {blobs}; rm -f {blobs}/{NEW}")])?;
    registry.take_starts();
    registry.behave(Behaviour::Healthy);
    let api = Api::of(cx)?;
    Ok(Facts {
        blobs: listed.text,
        pulled: pull(&api, host, INTERRUPTED).map_err(in_words),
        starts: registry.take_starts(),
        answer: api
            .generate(&name(host, INTERRUPTED), PROMPT)
            .map_err(in_words),
    })
}

/// Pulls, and hangs up once [`ENOUGH`] bytes have come.
fn interrupt(api: &Api, host: &str) -> Result<()> {
    let progress = api.stream("/api/pull", &pull_request(host, INTERRUPTED, true))?;
    for line in progress {
        let line = line.context("the pull that was to be interrupted")?;
        if line["completed"]
            .as_u64()
            .is_some_and(|bytes| bytes >= ENOUGH)
        {
            return Ok(());
        }
    }
    bail!("the pull was over before {ENOUGH} bytes had come")
}

fn judge(facts: &Facts, right: &str) -> Finding {
    let mut faults = Vec::new();
    let has = |words: &str| facts.blobs.contains(words);
    if !has("-partial") {
        faults.push("what had been downloaded is gone after the restart".to_string());
    }
    if has(OLD) {
        faults.push("a blob of last week that no model names is still there".to_string());
    }
    if !has(NEW) {
        faults.push("a blob that has just come is gone".to_string());
    }
    if let Err(error) = &facts.pulled {
        faults.push(format!("the second pull failed: {error}"));
    }
    // The small blobs begin at 0.
    let start = facts.starts.iter().copied().max().unwrap_or_default();
    if start == 0 {
        faults.push(format!("the second pull began anew: {:?}", facts.starts));
    }
    faults.extend(fault(&facts.answer, right));
    let kept = format!(
        "two hours and a restart later the pull went on at byte {start}, and the model answers; an old blob without a model \
         was removed"
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            blobs: format!("sha256-ab-partial\nsha256-ab-partial-0\n{NEW}\n"),
            starts: vec![160_000, 0],
            pulled: Ok(()),
            answer: Ok("DE".to_string()),
        }
    }

    #[test]
    fn kept_when_the_pull_goes_on() {
        assert_kept(
            judge(&good(), "DE"),
            "two hours and a restart later the pull went on at byte 160000, and the model answers; an old blob without a \
             model was removed",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |facts| judge(facts, "DE"),
            &[
                (
                    |facts| facts.blobs = NEW.to_string(),
                    "what had been downloaded is gone after the restart",
                ),
                (
                    |facts| facts.blobs += OLD,
                    "a blob of last week that no model names is still there",
                ),
                (
                    |facts| facts.blobs = "sha256-ab-partial".to_string(),
                    "a blob that has just come is gone",
                ),
                (
                    |facts| facts.pulled = Err("x".to_string()),
                    "the second pull failed: x",
                ),
                (
                    |facts| facts.starts = vec![0, 0],
                    "the second pull began anew: [0, 0]",
                ),
                (
                    |facts| facts.answer = Ok("x".to_string()),
                    "the model answers \"x\"",
                ),
                (
                    |facts| facts.answer = Err("404".to_string()),
                    "the model does not answer: 404",
                ),
            ],
        );
    }
}
