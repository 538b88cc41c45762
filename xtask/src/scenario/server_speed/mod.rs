//! How fast a real server is in its container, compared with the same server beside it: directly on the machine, outside of
//! Docker, and with its models on PERSIST in place of the Windows drive.
//!
//! All are asked on the machine itself, in turns, and the times are those that they report about themselves.

mod direct;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use vm::Machine;

use self::direct::{DRIVE, Direct, PERSIST};
use super::Context;
use super::comparison::{Better, Comparison, in_turns};
use super::ollama::wait_until_up;
use super::real_ollama::api::Api;
use super::real_ollama::models::{ALPHABET, ENDLESS, LARGE, PROMPT, ensure};

/// Tokens in one answer: enough that what a request costs by itself, such as its lines in the journal, does not count.
const TOKENS: u64 = 480;
/// One answer, under emulation, the model's load included.
const ANSWER: Duration = Duration::from_secs(180);
/// Reading a model.
const READ: Duration = Duration::from_secs(120);
/// A restart, until the server reports its version.
const RESTART: Duration = Duration::from_secs(180);
/// How much slower than directly a container may be, as a ratio.
const AS_DIRECT: f64 = 0.95;
/// How much slower than PERSIST the drive may be.
const AS_PERSIST: f64 = 0.7;

/// What was measured.
pub struct Speed {
    pub comparisons: Vec<Comparison>,
    /// Seconds from the server's first report of its version to the end of its first answer, with nothing in the memory's caches.
    pub first_answers: Vec<f64>,
}

/// Measures everything `runs` times.
///
/// # Errors
/// A server does not start or answer.
pub fn measure(cx: &mut Context, runs: usize) -> Result<Speed> {
    wait_until_up(cx)?;
    let api = Api::of(cx)?;
    for model in [ALPHABET, ENDLESS, LARGE] {
        ensure(&api, model)?;
    }
    let direct = Direct::start(cx)?;
    let container = cx.contract.ollama.port;
    let machine = &mut *cx.machine;
    let speed = in_turns(runs, [container, DRIVE], |port| speed(machine, port))?;
    let load = in_turns(runs, [container, DRIVE, PERSIST], |port| {
        load(machine, port)
    })?;
    let [drive, persist] = direct.blobs(machine)?;
    let read = in_turns(runs, [drive.as_str(), &persist], |blob| read(machine, blob))?;
    direct.stop(machine)?;
    let comparisons = vec![
        Comparison::new(
            "tokens a second",
            ["in the container", "directly"],
            Better::More,
            AS_DIRECT,
            &speed,
        ),
        Comparison::new(
            "seconds to load a model",
            ["in the container", "directly"],
            Better::Less,
            AS_DIRECT,
            &load[..2],
        ),
        Comparison::new(
            "seconds to load a model, directly",
            ["from the drive", "from PERSIST"],
            Better::Less,
            AS_PERSIST,
            &load[1..],
        ),
        Comparison::new(
            "seconds to read the model's file",
            ["from the drive", "from PERSIST"],
            Better::Less,
            AS_PERSIST,
            &read,
        ),
    ];
    let first_answers = (0..runs).map(|_| first_answer(cx)).collect::<Result<_>>()?;
    Ok(Speed {
        comparisons,
        first_answers,
    })
}

/// The answer to `body` of the server on `port` of the machine itself.
fn ask(machine: &mut Machine, port: u16, body: &Value) -> Result<Value> {
    let body = body.to_string();
    // HTTP/1.0: the answer is one piece, and its end is that of the connection.
    let request = format!(
        "POST /api/generate HTTP/1.0\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\nContent-Length: {}\\r\\n\\r\\n{body}",
        body.len()
    );
    let command = format!(
        "printf '%b' '{request}' | bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; cat >&3; cat <&3'"
    );
    let output = machine.exec_within(&[&command], ANSWER)?.remove(0).text;
    let answer = output.find('{').map_or("", |start| &output[start..]);
    let answer: Value = serde_json::from_str(answer.trim())
        .with_context(|| format!("port {port} answers {output:?}"))?;
    ensure!(answer["done"] == true, "port {port} answers {answer}");
    Ok(answer)
}

fn number(answer: &Value, field: &str) -> Result<f64> {
    answer[field]
        .as_f64()
        .with_context(|| format!("no {field} in {answer}"))
}

/// Tokens a second of one answer of a model that is loaded.
fn speed(machine: &mut Machine, port: u16) -> Result<f64> {
    let body = json!({
        "model": ENDLESS, "prompt": PROMPT, "stream": false,
        "options": { "temperature": 0, "num_predict": TOKENS },
    });
    let answer = ask(machine, port, &body)?;
    let tokens = number(&answer, "eval_count")?;
    ensure!(tokens == TOKENS as f64, "{tokens} tokens, not {TOKENS}");
    Ok(tokens / (number(&answer, "eval_duration")? / 1e9))
}

/// Seconds in which the large model is loaded with nothing in the memory's caches.
fn load(machine: &mut Machine, port: u16) -> Result<f64> {
    drop_caches(machine)?;
    let body = json!({
        "model": LARGE, "prompt": PROMPT, "stream": false,
        // Unloaded once it has answered.
        "keep_alive": 0,
        "options": { "temperature": 0, "num_predict": 1 },
    });
    let answer = ask(machine, port, &body)?;
    Ok(number(&answer, "load_duration")? / 1e9)
}

/// Seconds in which a file is read with nothing in the memory's caches.
fn read(machine: &mut Machine, file: &str) -> Result<f64> {
    drop_caches(machine)?;
    let command = format!(
        "start=$(date +%s%N); dd if={file} of=/dev/null bs=1M status=none && echo $(($(date +%s%N) - start))"
    );
    let took = machine.exec_within(&[&command], READ)?.remove(0).text;
    let nanoseconds: f64 = took
        .trim()
        .parse()
        .with_context(|| format!("reading {file}: {took}"))?;
    Ok(nanoseconds / 1e9)
}

fn drop_caches(machine: &mut Machine) -> Result<()> {
    // A model that was unloaded leaves memory a moment later.
    machine
        .succeed("sleep 2; sync; echo 3 > /proc/sys/vm/drop_caches")
        .map(drop)
}

/// Seconds from the version to the first answer, after the container was started.
fn first_answer(cx: &mut Context) -> Result<f64> {
    let (unit, port) = (&cx.contract.ollama.unit, cx.contract.ollama.port);
    let command = format!(
        "systemctl restart {unit}; sync; echo 3 > /proc/sys/vm/drop_caches; for turn in $(seq 1000); do {} && exit; sleep 0.1; done; \
         exit 1",
        direct::answers(port)
    );
    let up = cx.machine.exec_within(&[&command], RESTART)?.remove(0);
    ensure!(
        up.ok(),
        "{unit} does not answer after a restart: {}",
        up.text
    );
    let start = Instant::now();
    let body = json!({ "model": ALPHABET, "prompt": PROMPT, "stream": false, "options": { "temperature": 0 } });
    ask(cx.machine, port, &body)?;
    Ok(start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_take_turns_and_the_first_turn_does_not_count() {
        let mut order = Vec::new();
        let values = in_turns(2, ['a', 'b'], |place| {
            order.push(place);
            Ok(order.len() as f64)
        });
        assert_eq!(order, ['a', 'b', 'b', 'a', 'a', 'b']);
        assert_eq!(values.unwrap(), [vec![4.0, 5.0], vec![3.0, 6.0]]);
    }
}
