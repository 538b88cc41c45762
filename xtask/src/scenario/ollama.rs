//! The server that all this is for, asked from outside the guest.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use super::{Context, Finding};
use vm::process::check_interrupt;

/// Until the container is up, under emulation; a restart has to wait for its pause too.
pub const UP: Duration = Duration::from_secs(180);
const REQUEST: Duration = Duration::from_secs(10);
/// How often to look whether there is any hope while there is no answer.
const LOOK: Duration = Duration::from_secs(5);
/// One restart is the test's own doing.
const TOO_MANY_RESTARTS: u64 = 3;
/// A container that has been running for this long without an answer gives none.
const DEAF: Duration = Duration::from_secs(60);
/// After this many answers on the machine itself, and none outside, there will be none outside.
const SHUT_OUT: usize = 3;

/// When a container was started; nothing of one that is not running. (Docker says the year 1 of one that never was.)
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

/// Ollama's version, waiting for it until `deadline`, or until it is known not to come.
pub fn version(cx: &mut Context, deadline: Duration) -> Result<String> {
    version_after(cx, deadline, 0)
}

/// As [`version`], of a unit that has been restarted `restarts` times before.
fn version_after(cx: &mut Context, deadline: Duration, restarts: u64) -> Result<String> {
    let port = cx.machine.forwarded(cx.contract.ollama.port)?;
    let start = Instant::now();
    let mut looked = start;
    let mut inside = 0;
    loop {
        check_interrupt()?;
        match asked(port) {
            Ok(version) => return Ok(version),
            Err(error) if start.elapsed() > deadline => {
                bail!("no answer within {} s: {error:#}", deadline.as_secs())
            }
            Err(error) if looked.elapsed() > LOOK => {
                looked = Instant::now();
                // Without a root shell nobody knows, and there is hope.
                if let Ok(Some(why)) = hopeless(cx, restarts, &mut inside) {
                    // Looking takes a while, in which it may have come up.
                    return asked(port).map_err(|_| anyhow!("no answer: {error:#}; {why}"));
                }
            }
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// The version that is told at `port`.
fn asked(port: u16) -> Result<String> {
    let body = get(port, "/api/version")?;
    let answer: Value = serde_json::from_str(&body)?;
    let version = answer["version"].as_str().map(str::to_string);
    version.with_context(|| format!("no version in {body}"))
}

/// Why no answer is to be expected any more, if so: of a unit that was restarted `before`, which has answered on the machine
/// itself `inside` times by now.
fn hopeless(cx: &mut Context, before: u64, inside: &mut usize) -> Result<Option<String>> {
    let unit = &cx.contract.ollama.unit;
    let container = &cx.contract.ollama.container;
    let port = cx.contract.ollama.port;
    let outputs = cx.machine.exec(&[
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
    if outputs[3].ok() {
        *inside += 1;
    }
    if *inside >= SHUT_OUT {
        let why = "it answers on the machine itself: the way to it is shut";
        return Ok(Some(why.to_string()));
    }
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let restarts = number(&outputs[0].text)
        .unwrap_or_default()
        .saturating_sub(before);
    if restarts >= TOO_MANY_RESTARTS {
        return Ok(Some(format!("{unit} was restarted {restarts} times")));
    }
    if outputs[1].text == "failed" {
        return Ok(Some(format!("{unit} has failed")));
    }
    let age = number(&outputs[2].text).filter(|age| outputs[2].ok() && *age > DEAF.as_secs());
    Ok(age.map(|age| format!("the container has been running for {age} s")))
}

/// The last words of the unit, for whoever has to find out why.
fn journal(cx: &mut Context) -> String {
    let unit = cx.contract.ollama.unit.clone();
    let command = format!(
        "systemctl show {unit} -p ActiveState -p NRestarts | tr '\\n' ' '; journalctl -b --no-pager -o cat -u {unit} | tail -4"
    );
    cx.machine
        .exec(&[&command])
        .map(|outputs| outputs[0].text.replace('\n', " | "))
        .unwrap_or_default()
}

/// Waits for Ollama, for checks that need it up but do not judge it. They find out themselves if it is not.
pub fn wait_until_up(cx: &mut Context) -> Result<()> {
    // They have questions, which nobody answers without a shell.
    cx.machine.exec(&["true"])?;
    if version(cx, UP).is_err() {
        check_interrupt()?;
    }
    Ok(())
}

/// `ollama.answers`
pub fn answers(cx: &mut Context) -> Result<Finding> {
    let unit = cx.contract.ollama.unit.clone();
    let first = match version(cx, UP) {
        Ok(version) => version,
        Err(error) => return Ok(Finding::Broken(format!("{error:#}; {}", journal(cx)))),
    };
    let restarts = cx
        .machine
        .succeed(&format!("systemctl show {unit} -p NRestarts --value"))?;
    if restarts != "0" {
        return Ok(Finding::Broken(format!(
            "{unit} was restarted {restarts} times before anything killed it"
        )));
    }
    Ok(match survives_kill(cx)? {
        Ok((second, took)) if second == first => Finding::Kept(format!(
            "version {first}; again {:.1} s after docker kill",
            took.as_secs_f64()
        )),
        Ok((second, _)) => Finding::Broken(format!("version {first} became {second}")),
        Err(why) => Finding::Broken(format!("after docker kill: {why}; {}", journal(cx))),
    })
}

/// Kills the container and waits for the next one's answer: the version, and how long it took; or why there is none.
pub fn survives_kill(cx: &mut Context) -> Result<std::result::Result<(String, Duration), String>> {
    let container = cx.contract.ollama.container.clone();
    let unit = cx.contract.ollama.unit.clone();
    let identify = format!("docker inspect --format '{{{{.Id}}}}' {container}");
    let before = cx.machine.succeed(&identify)?;
    let restarts = cx
        .machine
        .succeed(&format!("systemctl show {unit} -p NRestarts --value"))?
        .parse()?;
    cx.machine.succeed(&format!("docker kill {container}"))?;
    let killed = Instant::now();
    // The old container must be gone before an answer counts.
    while killed.elapsed() < UP {
        let outputs = cx
            .machine
            .exec(&[&identify, &format!("systemctl is-failed {unit}")])?;
        if outputs[0].ok() && outputs[0].text != before {
            break;
        }
        if outputs[1].ok() {
            return Ok(Err(format!("{unit} has failed")));
        }
        thread::sleep(Duration::from_millis(300));
    }
    Ok(
        match version_after(cx, UP.saturating_sub(killed.elapsed()), restarts) {
            Ok(version) => Ok((version, killed.elapsed())),
            Err(error) => {
                check_interrupt()?;
                Err(format!("{error:#}"))
            }
        },
    )
}

/// `ollama.models-on-drive`
pub fn models_on_drive(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let container = &cx.contract.ollama.container;
    let models = &cx.contract.ollama.models_dir;
    let (kind, id) = match cx
        .contract
        .models
        .drive
        .as_deref()
        .and_then(|drive| drive.split_once('='))
    {
        Some((kind, id)) => (kind, id),
        None => return Ok(Finding::Broken("no models drive is configured".into())),
    };
    let write = format!(
        "rm -rf /tmp/written && mkdir /tmp/written && echo by-the-container > /tmp/written/probe && \
         docker cp /tmp/written/probe {container}:/root/.ollama/probe"
    );
    let read = format!("cat {models}/probe; rm -f {models}/probe");
    let whole = format!("findmnt -no SOURCE,FSTYPE -T {models} | tail -n 1");
    let found = format!("blkid -s {kind} -o value $(findmnt -no SOURCE -T {models} | tail -n 1)");
    let outputs = cx.machine.exec(&[&write, &read, &whole, &found])?;
    let mut faults = Vec::new();
    if !outputs[0].ok() {
        faults.push(format!(
            "the container cannot write: {}",
            outputs[0].text.replace('\n', " | ")
        ));
    } else if outputs[1].text != "by-the-container" {
        faults.push(format!(
            "what the container wrote is not in {models}: {}",
            outputs[1].text
        ));
    }
    if !outputs[2].text.ends_with("fuseblk") || outputs[3].text != id {
        faults.push(format!(
            "{models} is on {} ({kind} {:?}), not on the NTFS drive {id}",
            outputs[2].text, outputs[3].text
        ));
    }
    if !models.ends_with("/ollama") {
        faults.push(format!("{models} is not the drive's folder ollama/"));
    }
    Ok(Finding::from_faults(
        &faults,
        format!("{models} on {} {kind}={id}", outputs[2].text),
    ))
}

/// `ollama.without-gpu`
pub fn without_gpu(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let container = &cx.contract.ollama.container;
    let login = super::login_banner(&cx.machine.login().user);
    let outputs = cx.machine.exec(&[
        "grep -lx 0x10de /sys/bus/pci/devices/*/vendor",
        &format!("docker inspect --format '{{{{.State.Status}}}}' {container}"),
        &format!("tr '\\0' '\\n' < /proc/$(docker inspect --format '{{{{.State.Pid}}}}' {container})/environ"),
        &login,
        "journalctl -b --no-pager -o cat -u gpu-fallback.service",
    ])?;
    if outputs[0].ok() {
        return Ok(Finding::Broken(
            "this machine has an NVIDIA GPU, so its absence proves nothing".into(),
        ));
    }
    let mut faults = Vec::new();
    if outputs[1].text != "running" {
        faults.push(format!("the container is {:?}", outputs[1].text));
    }
    if !outputs[2]
        .text
        .lines()
        .any(|line| line == "OLLAMALIVE_GPU=none")
    {
        faults.push("the container was not told that there is no GPU".to_string());
    }
    for (what, output) in [("login banner", &outputs[3]), ("journal", &outputs[4])] {
        if !output.text.contains("CPU") {
            faults.push(format!("the {what} does not say so: {:?}", output.text));
        }
    }
    Ok(Finding::from_faults(
        &faults,
        format!("running; says: {}", outputs[3].text.replace('\n', " | ")),
    ))
}
