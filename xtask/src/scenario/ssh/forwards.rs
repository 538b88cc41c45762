//! `ssh.forwards-only-tcp`

use std::os::unix::net::UnixListener;
use std::thread;

use anyhow::{Context as _, Result};

use crate::scenario::{Context, Finding, one_line};

const FROM_CLIENT: &str = "sent-by-the-client";
const FROM_FILE: &str = "from-a-file";
/// Variables that the client sends. Distributions accept LANG and LC_*.
const SENT: &[&str] = &["LANG", "LC_OLLAMALIVE", "OLLAMALIVE_SENT"];
/// Settings that cannot be tried without root on the client's side, in the words of `sshd -T`, and their right values.
const SETTINGS: &[(&str, &str)] = &[("permittunnel", "no"), ("allowstreamlocalforwarding", "no")];
/// Prints sshd's settings. sshd insists on an absolute path of itself.
const READ_SETTINGS: &str = "$(readlink /proc/$(systemctl show sshd.service -p MainPID --value)/exe) -T -f /etc/ssh/sshd_config";

#[derive(Debug, Clone)]
struct Facts {
    /// The environment of a session whose client asked for everything: `NAME=VALUE`.
    environment: Vec<String>,
    /// The server opened one of its ports for the client.
    remote_port: bool,
    /// What the client got through a port that it forwarded to the server's own SSH port.
    greeting: String,
    /// sshd's settings: `name value`.
    settings: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let server = cx.machine.server()?;
    let user = &server.user;
    let owner = cx.machine.login().key.clone();
    let settings = cx.machine.succeed(READ_SETTINGS)?;
    // Without xauth, sshd refuses X11 whatever its configuration says.
    let xauth = setting(&settings, "xauthlocation").context("sshd does not say where xauth is")?;
    cx.machine.succeed(&format!(
        "[ -e {xauth} ] || {{ mkdir -p $(dirname {xauth}) && printf '#!/bin/sh\\nexit 0\\n' > {xauth} && chmod 755 {xauth} && touch /run/made-xauth; }}"
    ))?;
    let home = format!("~{user}/.ssh");
    cx.machine.succeed(&format!(
        "install -d -m 700 -o {user} {home} && echo OLLAMALIVE_FILE={FROM_FILE} > {home}/environment && chown {user} {home}/environment"
    ))?;
    // The client asks its agent for keys before it offers to forward it; this one hangs up, and has none.
    let folder = tempfile::tempdir()?;
    let agent = folder.path().join("agent");
    let listener = UnixListener::bind(&agent)?;
    thread::spawn(move || listener.incoming().for_each(drop));
    let agent = agent.display().to_string();
    let identity_agent = format!("IdentityAgent={agent}");
    let sent: Vec<String> = SENT
        .iter()
        .map(|name| format!("{name}={FROM_CLIENT}"))
        .collect();
    let set_env = format!("SetEnv={}", sent.join(" "));
    let everything = server.session(
        &owner,
        &[
            "-o",
            "ForwardX11=yes",
            "-o",
            "ForwardX11Trusted=yes",
            "-o",
            "XAuthLocation=/none",
            "-o",
            "ForwardAgent=yes",
            "-o",
            &identity_agent,
            "-o",
            &set_env,
            "-R",
            "0:127.0.0.1:9",
        ],
        // Nothing listens there, and no window is opened.
        &[("DISPLAY", "127.0.0.1:99"), ("SSH_AUTH_SOCK", &agent)],
        "env",
    );
    let own_port = format!("127.0.0.1:{}", cx.contract.ssh.port);
    let local = server.session(&owner, &["-W", &own_port], &[], "");
    cx.exec([
        &format!("rm -f {home}/environment"),
        &format!("if [ -e /run/made-xauth ]; then rm -f /run/made-xauth {xauth}; fi"),
    ])?;
    let (everything, local) = (everything?, local?);
    Ok(Facts {
        environment: everything.printed.lines().map(String::from).collect(),
        remote_port: everything.log.contains("remote forward success"),
        greeting: match local.printed.lines().next() {
            Some(line) => line.to_string(),
            None => one_line(local.log.lines().last().unwrap_or_default()),
        },
        settings,
    })
}

/// The value of a setting in the output of `sshd -T`.
fn setting<'a>(settings: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = settings.lines().filter_map(|line| line.split_once(' '));
    lines.find_map(|(found, value)| (found == name).then_some(value.trim()))
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    for variable in &facts.environment {
        let (name, value) = variable.split_once('=').unwrap_or_default();
        match (name, value) {
            ("DISPLAY", _) => faults.push(format!("X11 is forwarded: {variable}")),
            ("SSH_AUTH_SOCK", _) => faults.push(format!("the agent is forwarded: {variable}")),
            (_, FROM_CLIENT) => faults.push(format!("the client can set {name}")),
            (_, FROM_FILE) => faults.push(format!("~/.ssh/environment can set {name}")),
            _ => {}
        }
    }
    if facts.environment.is_empty() {
        faults.push("the session has no environment".to_string());
    }
    if facts.remote_port {
        faults.push("a port of the server leads to the client".to_string());
    }
    for (name, right) in SETTINGS {
        let value = setting(&facts.settings, name).unwrap_or_default();
        if value != *right {
            faults.push(format!("{name} is {value:?}, not {right:?}"));
        }
    }
    if !facts.greeting.starts_with("SSH-2.0-") {
        faults.push(format!("no local port is forwarded: {}", facts.greeting));
    }
    Finding::from_faults(
        &faults,
        "a local TCP port is forwarded; X11, the agent, a remote port, variables, sockets and tunnels are refused",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            environment: vec!["HOME=/home/owner".to_string(), "LANG=C.UTF-8".to_string()],
            remote_port: false,
            greeting: "SSH-2.0-OpenSSH_10.0".to_string(),
            settings: "port 22\npermittunnel no\nallowstreamlocalforwarding no".to_string(),
        }
    }

    #[test]
    fn kept_when_only_a_local_port_is_forwarded() {
        assert_kept(
            judge(&good()),
            "a local TCP port is forwarded; X11, the agent, a remote port, variables, sockets and tunnels are refused",
        );
    }

    #[test]
    fn each_other_forwarding_breaks_it() {
        let cases = [
            (
                "DISPLAY=localhost:10.0",
                "X11 is forwarded: DISPLAY=localhost:10.0",
            ),
            (
                "SSH_AUTH_SOCK=/tmp/ssh-x/agent.1",
                "the agent is forwarded: SSH_AUTH_SOCK=/tmp/ssh-x/agent.1",
            ),
            ("LANG=sent-by-the-client", "the client can set LANG"),
            (
                "OLLAMALIVE_FILE=from-a-file",
                "~/.ssh/environment can set OLLAMALIVE_FILE",
            ),
        ];
        for (variable, evidence) in cases {
            let mut facts = good();
            facts.environment.push(variable.to_string());
            assert_eq!(judge(&facts), Finding::Broken(evidence.to_string()));
        }
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.environment.clear(),
                    "the session has no environment",
                ),
                (
                    |facts| facts.remote_port = true,
                    "a port of the server leads to the client",
                ),
                (
                    |facts| {
                        facts.settings = facts
                            .settings
                            .replace("permittunnel no", "permittunnel yes")
                    },
                    "permittunnel is \"yes\", not \"no\"",
                ),
                (
                    |facts| facts.settings.truncate(24),
                    "allowstreamlocalforwarding is \"\", not \"no\"",
                ),
                (
                    |facts| facts.greeting = "administratively prohibited".to_string(),
                    "no local port is forwarded: administratively prohibited",
                ),
            ],
        );
    }
}
