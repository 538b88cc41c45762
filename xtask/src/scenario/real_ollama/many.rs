//! `ollama.many`

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::api::Api;
use super::in_words;
use super::models::{ALPHABET, ensure};
use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, Finding};

/// Clients at the same time.
const CLIENTS: u8 = 32;
/// Between their first packets: QEMU's forwarded port has a queue for one connection. An answer takes longer than all of them.
const APART: Duration = Duration::from_millis(40);

#[derive(Debug, Clone)]
struct Facts {
    /// Each client's prompt, and its answer or the error.
    answers: Vec<(String, Result<String, String>)>,
    /// From the first request to the last answer.
    seconds: f64,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let api = Api::of(cx)?;
    ensure(&api, ALPHABET)?;
    // While the model loads, all of them wait in the server's queue.
    api.unload(ALPHABET)?;
    Ok(judge(&gather(&api)))
}

fn gather(api: &Api) -> Facts {
    let start = Instant::now();
    let answers = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                // Clients beside each other ask for different answers.
                let prompt = char::from(b'R' + number % 8).to_string();
                scope.spawn(move || {
                    thread::sleep(APART * u32::from(number));
                    let answer = api.generate(ALPHABET, &prompt);
                    (prompt, answer.map_err(in_words))
                })
            })
            .collect();
        let join = |client: thread::ScopedJoinHandle<_>| client.join().expect("a client panicked");
        clients.into_iter().map(join).collect()
    });
    Facts {
        answers,
        seconds: start.elapsed().as_secs_f64(),
    }
}

fn judge(facts: &Facts) -> Finding {
    let wrong: Vec<String> = facts
        .answers
        .iter()
        .filter_map(|(prompt, answer)| match answer {
            Ok(answer) if *answer == crate::tiny_model::answer(prompt) => None,
            Ok(answer) => Some(format!("{prompt}: {answer:?}")),
            Err(error) => Some(format!("{prompt}: {error}")),
        })
        .collect();
    let count = facts.answers.len();
    if count != usize::from(CLIENTS) {
        return Finding::Broken(format!("{count} of {CLIENTS} clients were tried"));
    }
    match wrong.first() {
        None => Finding::Kept(format!(
            "{count} clients at once while the model loads, {count} right answers in {:.1} s",
            facts.seconds
        )),
        Some(first) => Finding::Broken(format!(
            "{} of {count} clients got no right answer, the first of them {first}",
            wrong.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            answers: vec![("X".to_string(), Ok("YZ".to_string())); 32],
            seconds: 4.0,
        }
    }

    #[test]
    fn kept_when_each_client_gets_its_own_answer() {
        assert_kept(
            judge(&good()),
            "32 clients at once while the model loads, 32 right answers in 4.0 s",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.answers[3].1 = Ok("Z".to_string()),
                    "1 of 32 clients got no right answer, the first of them X: \"Z\"",
                ),
                (
                    |facts| facts.answers[30].1 = Err("503: busy".to_string()),
                    "1 of 32 clients got no right answer, the first of them X: 503: busy",
                ),
                (
                    |facts| facts.answers.truncate(31),
                    "31 of 32 clients were tried",
                ),
            ],
        );
    }
}
