//! Makes the interruptions, and asks after each.

use std::thread;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result};

use super::identity::{self, Identity};
use crate::scenario::ollama::{kill_container, wait_until_up};
use crate::scenario::real_ollama::api::{Api, request};
use crate::scenario::real_ollama::in_words;
use crate::scenario::real_ollama::models::{ALPHABET, ENDLESS, PROMPT, ensure};
use crate::scenario::{Context, one_line};

/// Pieces of an endless answer before the machine is switched off.
const UNDER_WAY: usize = 5;
/// What systemd and Docker log when a program does not end when asked to (systemd, src/core/unit.c and service.c; moby,
/// daemon/stop.go).
const KILLED: &str = "timed out. (Killing|Terminating)|SIGKILL|using the force|result .timeout.";

/// The answers to one prompt, or errors.
#[derive(Debug, Clone)]
pub struct Asked {
    pub whole: Result<String, String>,
    /// Piece by piece.
    pub streamed: Result<Vec<String>, String>,
    /// Seconds that the whole answer took, the first since the server started.
    pub first: f64,
}

/// How the machine was switched off.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// An answer was under way.
    pub answering: bool,
    /// Seconds from the command until the machine was off.
    pub seconds: f64,
    /// Lines of the journal about programs that were killed.
    pub killed: String,
    /// The journal of that boot is there.
    pub has_journal: bool,
}

#[derive(Debug, Clone)]
pub struct Restarts {
    /// By occasion, in words for evidence.
    pub answers: Vec<(&'static str, Asked)>,
    pub shutdown: Shutdown,
    /// By occasion.
    pub identities: Vec<(&'static str, Identity)>,
}

pub fn gather(cx: &mut Context) -> Result<Restarts> {
    wait_until_up(cx)?;
    let api = Api::of(cx)?;
    ensure(&api, ALPHABET)?;
    ensure(&api, ENDLESS)?;
    let mut answers = vec![("at first", ask(&api))];
    let mut identities = vec![("at first", identity::gather(cx)?)];

    identity::put_on_drive(cx)?;
    wait_until_up(cx)?;
    identities.push(("from the models' folder", identity::gather(cx)?));

    // What does not come back does not answer, and that is judged.
    let _ = kill_container(cx)?;
    answers.push(("after the container was killed", ask(&Api::of(cx)?)));

    let shutdown = switch_off_answering(cx)?;
    wait_until_up(cx)?;
    answers.push(("after a reboot", ask(&Api::of(cx)?)));
    identities.push(("after a reboot", identity::gather(cx)?));

    cx.machine.power_cut();
    cx.disks.reflash()?;
    cx.machine.boot()?;
    wait_until_up(cx)?;
    identities.push(("after a reflash", identity::gather(cx)?));
    Ok(Restarts {
        answers,
        shutdown,
        identities,
    })
}

fn ask(api: &Api) -> Asked {
    let start = Instant::now();
    let whole = api.generate(ALPHABET, PROMPT).map_err(in_words);
    Asked {
        first: start.elapsed().as_secs_f64(),
        streamed: api.generate_streamed(ALPHABET, PROMPT).map_err(in_words),
        whole,
    }
}

/// Reboots while an answer is under way that would never end.
fn switch_off_answering(cx: &mut Context) -> Result<Shutdown> {
    let api = Api::of(cx)?;
    // Where the container has lost its models, that is judged by its answers.
    ensure(&api, ENDLESS)?;
    let mut answer = api.stream("/api/generate", &request(ENDLESS, PROMPT, true))?;
    for _ in 0..UNDER_WAY {
        answer.next().context("the endless answer has ended")??;
    }
    // The stream is read to its end, or the server would block on it.
    let reader =
        thread::spawn(move || answer.any(|piece| piece.is_ok_and(|piece| piece["done"] == true)));
    let start = SystemTime::now();
    let reboot = cx.machine.reboot()?;
    let took = reboot.shut_down.duration_since(start).unwrap_or_default();
    let ended = reader.join().unwrap_or(true);
    let [killed, journal] = cx.exec([
        &format!("journalctl -b -1 --no-pager -o cat | grep -E '{KILLED}'"),
        "journalctl -b -1 --no-pager -o cat -n 1",
    ])?;
    Ok(Shutdown {
        answering: !ended,
        seconds: took.as_secs_f64(),
        killed: killed.text,
        has_journal: journal.ok() && !one_line(&journal.text).is_empty(),
    })
}
