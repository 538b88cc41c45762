//! Asks Ollama for its version, until it answers or is known not to.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use vm::process::check_interrupt;

use crate::scenario::Context;

/// Until the container is up, under emulation, including the pause before a restart.
pub const UP: Duration = Duration::from_secs(180);
const REQUEST: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);
/// How often to look inside the guest, while there is no answer, for signs that none will come.
const LOOK: Duration = Duration::from_secs(5);
/// One restart is the test's own doing.
const TOO_MANY_RESTARTS: u64 = 3;
/// A container that has been running for this long without an answer will not give one.
const DEAF: Duration = Duration::from_secs(60);
/// After this many answers on the machine itself and none outside, the way in is shut.
const SHUT_OUT: usize = 3;

/// A docker template: the time at which a container was started; empty for one that is not running. (Docker reports the year
/// 1 for a container that never was.)
const STARTED: &str = "{{if .State.Running}}{{.State.StartedAt}}{{end}}";

/// GETs `path` and returns the body.
fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(REQUEST))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: ollamalive\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_string()),
        _ => bail!(
            "not a good answer: {:?}",
            answer.lines().next().unwrap_or("nothing")
        ),
    }
}

/// The version that the server behind `port` of 127.0.0.1 reports.
fn version_at(port: u16) -> Result<String> {
    let body = get(port, "/api/version")?;
    let answer: Value = serde_json::from_str(&body)?;
    let version = answer["version"].as_str().map(str::to_string);
    version.with_context(|| format!("no version in {body}"))
}

/// Ollama's version, or why it did not answer within [`UP`] plus the time to load its image.
///
/// # Errors
/// Ctrl-C was pressed, or QEMU is gone.
pub fn answer(cx: &mut Context) -> Result<Result<String, String>> {
    let deadline = UP + cx.disks.ollama_loading();
    answer_after(cx, deadline, 0)
}

/// As [`answer`], within `deadline`, of a unit that systemd has restarted `restarts` times before.
pub fn answer_after(
    cx: &mut Context,
    deadline: Duration,
    restarts: u64,
) -> Result<Result<String, String>> {
    match wait_for_version(cx, deadline, restarts) {
        Ok(version) => Ok(Ok(version)),
        Err(error) => cx.explain(error).map(Err),
    }
}

fn wait_for_version(cx: &mut Context, deadline: Duration, restarts: u64) -> Result<String> {
    let port = cx.machine.forwarded(cx.contract.ollama.port)?;
    let start = Instant::now();
    let mut looked = start;
    let mut inside = 0;
    loop {
        check_interrupt()?;
        match version_at(port) {
            Ok(version) => return Ok(version),
            Err(error) if start.elapsed() > deadline => {
                bail!("no answer within {} s: {error:#}", deadline.as_secs())
            }
            Err(error) if looked.elapsed() > LOOK => {
                looked = Instant::now();
                // Without a root shell there are no signs, and waiting goes on.
                let Ok(signs) = look_inside(cx) else { continue };
                inside += usize::from(signs.answers_inside);
                if let Some(why) = hopeless(&signs, restarts, inside, &cx.contract.ollama.unit) {
                    // Looking takes a while, and Ollama may have come up meanwhile.
                    return version_at(port).map_err(|_| anyhow!("no answer: {error:#}; {why}"));
                }
            }
            Err(_) => thread::sleep(POLL),
        }
    }
}

/// What the guest knows about a server that does not answer.
#[derive(Debug, Clone, Default)]
struct Signs {
    /// How often systemd has restarted the unit.
    restarts: u64,
    /// systemd has given the unit up.
    failed: bool,
    /// Seconds since the container was started, if it is running.
    container_age: Option<u64>,
    /// It answers on the machine itself.
    answers_inside: bool,
}

fn look_inside(cx: &mut Context) -> Result<Signs> {
    let unit = &cx.contract.ollama.unit;
    let container = &cx.contract.ollama.container;
    let port = cx.contract.ollama.port;
    let [restarts, failed, age, inside] = cx.exec([
        &format!("systemctl show {unit} -p NRestarts --value"),
        &format!("systemctl is-failed {unit}"),
        &format!(
            "started=$(docker inspect --format '{STARTED}' {container}) && [ -n \"$started\" ] && \
             echo $(( $(date +%s) - $(date -d \"$started\" +%s) ))"
        ),
        &format!(
            "timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && \
             printf \"GET /api/version HTTP/1.0\\r\\n\\r\\n\" >&3 && grep -q \\\"version <&3'"
        ),
    ])?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    Ok(Signs {
        restarts: number(&restarts.text).unwrap_or_default(),
        failed: failed.text == "failed",
        container_age: number(&age.text).filter(|_| age.ok()),
        answers_inside: inside.ok(),
    })
}

/// Why no answer will come, if that is certain: the `unit` had been restarted `before` times at the start, and has answered on
/// the machine itself `inside` times by now.
fn hopeless(signs: &Signs, before: u64, inside: usize, unit: &str) -> Option<String> {
    if inside >= SHUT_OUT {
        return Some("it answers on the machine itself: the way to it is shut".to_string());
    }
    let restarts = signs.restarts.saturating_sub(before);
    if restarts >= TOO_MANY_RESTARTS {
        return Some(format!("{unit} was restarted {restarts} times"));
    }
    if signs.failed {
        return Some(format!("{unit} has failed"));
    }
    let age = signs.container_age.filter(|age| *age > DEAF.as_secs())?;
    Some(format!("the container has been running for {age} s"))
}

/// Waits for Ollama, for checks that need it up but do not judge that. They find out themselves if it is not.
///
/// # Errors
/// There is no root shell, so those checks could not ask anything either; or the run cannot go on.
pub fn wait_until_up(cx: &mut Context) -> Result<()> {
    cx.exec(["true"])?;
    answer(cx).map(drop)
}

/// The unit's state and last journal lines, as one line of evidence.
pub fn journal(cx: &mut Context) -> String {
    let unit = &cx.contract.ollama.unit;
    let command = format!(
        "systemctl show {unit} -p ActiveState -p NRestarts | tr '\\n' ' '; journalctl -b --no-pager -o cat -u {unit} | tail -4"
    );
    let output = cx.exec([&command]);
    output.map_or_else(
        |_| String::new(),
        |[journal]| journal.text.replace('\n', " | "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(signs: &Signs, inside: usize) -> Option<String> {
        hopeless(signs, 1, inside, "ollama.service")
    }

    #[test]
    fn a_server_that_may_still_come_up_is_waited_for() {
        let signs = Signs {
            restarts: 3,
            container_age: Some(60),
            ..Signs::default()
        };
        assert_eq!(why(&signs, 2), None);
    }

    #[test]
    fn each_sign_ends_the_wait() {
        let signs = Signs::default();
        assert_eq!(
            why(&signs, 3).as_deref(),
            Some("it answers on the machine itself: the way to it is shut")
        );
        let restarted = Signs {
            restarts: 4,
            ..Signs::default()
        };
        assert_eq!(
            why(&restarted, 0).as_deref(),
            Some("ollama.service was restarted 3 times")
        );
        let failed = Signs {
            failed: true,
            ..Signs::default()
        };
        assert_eq!(
            why(&failed, 0).as_deref(),
            Some("ollama.service has failed")
        );
        let deaf = Signs {
            container_age: Some(61),
            ..Signs::default()
        };
        assert_eq!(
            why(&deaf, 0).as_deref(),
            Some("the container has been running for 61 s")
        );
    }
}
