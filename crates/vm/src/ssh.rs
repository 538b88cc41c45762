//! The guest's SSH server, asked by the real OpenSSH client.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{self, check_interrupt};
use crate::shell::Shell;

/// One login, its cryptography done by an emulated processor.
pub const LOGIN_DEADLINE: Duration = Duration::from_secs(60);

/// How long to try for a verdict on a login.
const VERDICT_DEADLINE: Duration = Duration::from_secs(150);

/// The same command once more ([`Command`] can be spawned again, but not copied).
fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    copy
}

/// A key pair on the host.
#[derive(Debug, Clone)]
pub struct Key {
    pub private: PathBuf,
    /// One line, as `authorized_keys` wants it.
    pub public: String,
}

impl Key {
    /// Makes an Ed25519 key called `name` in `folder`.
    pub fn generate(folder: &Path, name: &str) -> Result<Self> {
        let private = folder.join(name);
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&private);
        process::run(make, "making an SSH key", LOGIN_DEADLINE)?;
        let public = fs::read_to_string(private.with_extension("pub"))?
            .trim()
            .to_string();
        Ok(Key { private, public })
    }
}

/// The way to the guest's server.
#[derive(Debug, Clone)]
pub struct Server {
    /// The host's port that leads to the guest's.
    pub port: u16,
    pub user: String,
}

/// What an attempt to log in came to.
#[derive(Debug)]
pub struct Attempt {
    /// The command ran in the guest.
    pub accepted: bool,
    /// Methods that the server offered after refusing `none`, as `publickey`, `password`, …
    pub offered: Vec<String>,
    /// Everything that the client said.
    pub log: String,
}

/// How a client proves who it is: exactly one way.
pub enum Method<'a> {
    PublicKey(&'a Key),
    Password(&'a str),
    KeyboardInteractive(&'a str),
    /// By whichever way the server takes one.
    AnyPassword(&'a str),
    /// Ask only what the server offers.
    None,
}

impl Server {
    /// Waits until the server sends its identification (RFC 4253, 4.2).
    ///
    /// # Errors
    /// `deadline` passes; `alive` says that the machine has ended.
    pub fn wait(
        &self,
        deadline: Duration,
        mut alive: impl FnMut() -> Result<()>,
    ) -> Result<Duration> {
        let start = Instant::now();
        while start.elapsed() < deadline {
            check_interrupt()?;
            alive()?;
            if self.greets() {
                return Ok(start.elapsed());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("SSH did not answer within {} s", deadline.as_secs())
    }

    fn greets(&self) -> bool {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        let mut line = String::new();
        stream
            .set_read_timeout(Some(Duration::from_secs(3)))
            .is_ok()
            && BufReader::new(stream).read_line(&mut line).is_ok()
            && line.starts_with("SSH-2.0-")
    }

    /// The client's arguments that every connection shares: nothing from the user's own configuration, no prompt.
    pub(super) fn client(&self, user: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-p", &self.port.to_string()])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "GlobalKnownHostsFile=/dev/null",
            ])
            .args([
                "-o",
                "IdentityAgent=none",
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "ConnectTimeout=20",
                "-o",
                "ServerAliveInterval=10",
            ])
            .args(["-l", user]);
        ssh
    }

    /// Tries to log in as `user` by exactly one method.
    pub fn attempt(&self, user: &str, method: &Method, folder: &Path) -> Result<Attempt> {
        let mut ssh = self.client(user);
        ssh.arg("-v");
        let (name, answer) = match method {
            Method::PublicKey(key) => {
                ssh.arg("-i").arg(&key.private);
                ("publickey", None)
            }
            Method::Password(password) => ("password", Some(password)),
            Method::KeyboardInteractive(password) => ("keyboard-interactive", Some(password)),
            Method::AnyPassword(password) => ("password,keyboard-interactive", Some(password)),
            Method::None => ("none", None),
        };
        ssh.args([
            "-o",
            &format!("PreferredAuthentications={name}"),
            "-o",
            "NumberOfPasswordPrompts=1",
        ]);
        match answer {
            Some(password) => {
                // OpenSSH asks a program for the password when it has no terminal.
                let helper = folder.join("askpass");
                fs::write(&helper, format!("#!/bin/sh\nprintf '%s\\n' '{password}'\n"))?;
                fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
                ssh.env("SSH_ASKPASS", &helper)
                    .env("SSH_ASKPASS_REQUIRE", "force")
                    .env("DISPLAY", "none:0");
            }
            None => {
                ssh.args(["-o", "BatchMode=yes"]);
            }
        }
        self.verdict(ssh, user)
    }

    /// Runs the client until the server has let it in or refused it.
    fn verdict(&self, mut ssh: Command, user: &str) -> Result<Attempt> {
        ssh.args(["127.0.0.1", "echo logged-in-as-$(id -un)"]);
        let start = Instant::now();
        loop {
            let end = process::finish(again(&ssh), "ssh", LOGIN_DEADLINE)?;
            let accepted = end.stdout.contains(&format!("logged-in-as-{user}"));
            let refused = ["Permission denied", "No more authentication methods"]
                .iter()
                .any(|word| end.stderr.contains(word));
            if accepted || refused {
                return Ok(Attempt {
                    accepted,
                    offered: offered(&end.stderr),
                    log: end.stderr,
                });
            }
            // Let in, and the session over before the command was run: that is how it is meant.
            if let Some(status) = turned_away(&end.stderr) {
                bail!("the server let {user} in and ran no command: exit status {status}");
            }
            // No verdict: the server does not listen to a client that it has refused several times (OpenSSH's
            // PerSourcePenalties), until a while has passed.
            if start.elapsed() > VERDICT_DEADLINE
                || end.stderr.contains("no matching host key type")
            {
                bail!(
                    "ssh got no verdict from the server: {}",
                    end.stderr.lines().last().unwrap_or("no message")
                );
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// The server's host key of the kind `algorithm`, as its type and fingerprint.
    ///
    /// # Errors
    /// It has none of that kind, or does not let `key` in.
    pub fn host_key(&self, algorithm: &str, key: &Key) -> Result<String> {
        let mut ssh = self.client(&self.user);
        ssh.args([
            "-v",
            "-o",
            "BatchMode=yes",
            "-o",
            &format!("HostKeyAlgorithms={algorithm}"),
            "-i",
        ])
        .arg(&key.private);
        let attempt = self.verdict(ssh, &self.user)?;
        let shown = attempt
            .log
            .lines()
            .find_map(|line| line.split_once("Server host key: "));
        shown
            .map(|(_, key)| key.trim().to_string())
            .context("the client did not say which key it saw")
    }

    /// What the server proposes in its KEXINIT (RFC 4253, 7.1), by the client's names for the lists.
    pub fn proposal(&self) -> Result<Vec<(String, Vec<String>)>> {
        let mut ssh = self.client("nobody");
        ssh.args([
            "-vv",
            "-o",
            "BatchMode=yes",
            "-o",
            "PreferredAuthentications=none",
            "127.0.0.1",
            "true",
        ]);
        let start = Instant::now();
        let lists = loop {
            let end = process::finish(again(&ssh), "ssh", LOGIN_DEADLINE)?;
            let lists = proposal(&end.stderr);
            if !lists.is_empty() {
                break lists;
            }
            // As for a login, the server may be holding back.
            if start.elapsed() > VERDICT_DEADLINE {
                let last = end.stderr.lines().last().unwrap_or("no message");
                bail!("the server proposed nothing: {last}");
            }
            thread::sleep(Duration::from_secs(1));
        };
        Ok(lists)
    }

    /// Opens a root shell that stays.
    pub fn shell(&self, key: &Key) -> Result<Shell> {
        let mut ssh = self.client(&self.user);
        ssh.args(["-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-i"])
            .arg(&key.private);
        // NixOS and Debian differ in where sbin is; both have sudo without a password for this user.
        ssh.args([
            "127.0.0.1",
            "exec sudo -n sh -c 'PATH=$PATH:/usr/sbin:/sbin exec sh'",
        ]);
        Shell::start(ssh)
    }
}

/// How the session of a client that had been let in ended, by the client's log.
fn turned_away(log: &str) -> Option<&str> {
    let session = log.split_once("Authenticated to ")?.1;
    let mut lines = session.lines();
    lines.find_map(|line| line.strip_prefix("debug1: Exit status "))
}

fn offered(log: &str) -> Vec<String> {
    log.lines()
        .filter_map(|line| line.split_once("Authentications that can continue: "))
        .flat_map(|(_, methods)| methods.trim().split(','))
        .map(str::to_string)
        .collect()
}

fn proposal(log: &str) -> Vec<(String, Vec<String>)> {
    log.lines()
        .skip_while(|line| !line.contains("peer server KEXINIT proposal"))
        .skip(1)
        .take_while(|line| line.starts_with("debug2:"))
        .filter_map(|line| line.trim_start_matches("debug2: ").split_once(": "))
        .map(|(list, names)| {
            (
                list.to_string(),
                names.trim().split(',').map(str::to_string).collect(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_offers_is_read_from_the_clients_log() {
        let log = "debug1: Authentications that can continue: publickey,password\nPermission denied (publickey).";
        assert_eq!(offered(log), ["publickey", "password"]);
    }

    #[test]
    fn a_session_that_ends_without_its_command_is_told_from_a_lost_connection() {
        let log = "debug1: Connecting to 127.0.0.1\nAuthenticated to 127.0.0.1 ([127.0.0.1]:22) using \"publickey\".\n";
        assert_eq!(
            turned_away(&format!("{log}debug1: Exit status 1\n")),
            Some("1")
        );
        assert_eq!(turned_away(&format!("{log}Connection reset by peer")), None);
        assert_eq!(turned_away("debug1: Exit status -1"), None);
    }

    #[test]
    fn only_the_servers_proposal_counts() {
        let log = "debug2: local client KEXINIT proposal\ndebug2: KEX algorithms: mine\n\
                   debug2: peer server KEXINIT proposal\ndebug2: KEX algorithms: a,b\ndebug2: MACs stoc: c\n\
                   debug1: kex: algorithm: a\ndebug2: ciphers ctos: later\n";
        let lists = proposal(log);
        assert_eq!(
            lists[0],
            (
                "KEX algorithms".to_string(),
                vec!["a".to_string(), "b".to_string()]
            )
        );
        assert_eq!(lists.len(), 2);
    }
}
