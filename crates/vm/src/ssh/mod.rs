//! The guest's SSH server, tested with the real OpenSSH client.

mod log;
mod session;

pub use session::Session;

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

/// One login, with the cryptography on an emulated processor.
pub const LOGIN_DEADLINE: Duration = Duration::from_secs(60);

/// How long to retry until the server accepts or refuses a login.
const VERDICT_DEADLINE: Duration = Duration::from_secs(150);

/// A copy of `command` ([`Command`] is not `Clone`).
fn again(command: &Command) -> Command {
    let mut copy = process::command(command.get_program());
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
    /// The private half's file; the public one is beside it, with `.pub`.
    pub private: PathBuf,
    /// One line, as `authorized_keys` wants it.
    pub public: String,
}

impl Key {
    /// Generates an Ed25519 key called `name` in `folder`.
    pub fn generate(folder: &Path, name: &str) -> Result<Self> {
        let private = folder.join(name);
        let mut make = process::command("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&private);
        process::run(make, "making an SSH key", LOGIN_DEADLINE)?;
        let public = fs::read_to_string(private.with_extension("pub"))?
            .trim()
            .to_string();
        Ok(Key { private, public })
    }
}

/// How the guest's server is reached.
#[derive(Debug, Clone)]
pub struct Server {
    /// The host's port that leads to the guest's.
    pub port: u16,
    /// The account that logs in.
    pub user: String,
}

/// The result of a login attempt.
#[derive(Debug)]
pub struct Attempt {
    /// The command ran in the guest.
    pub accepted: bool,
    /// The methods that the server offered after refusing `none`: `publickey`, `password`, …
    pub offered: Vec<String>,
    /// The client's log.
    pub log: String,
}

/// The only authentication method that the client tries.
pub enum Method<'a> {
    PublicKey(&'a Key),
    Password(&'a str),
    KeyboardInteractive(&'a str),
    /// A password by either method, whichever the server offers.
    AnyPassword(&'a str),
    /// Only list the methods that the server offers.
    None,
}

impl Server {
    /// Waits until the server sends its identification (RFC 4253, 4.2).
    ///
    /// # Errors
    /// `deadline` passes, `alive` fails (the machine has ended), or Ctrl-C.
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

    /// The client with the arguments of every connection: no user configuration, no prompts, no known hosts.
    pub(crate) fn client(&self, user: &str) -> Command {
        let mut ssh = process::command("ssh");
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

    /// Tries to log in as `user` by exactly one method. `folder` takes a helper script.
    ///
    /// # Errors
    /// The server neither accepts nor refuses within 150 s.
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
                // Without a terminal, OpenSSH reads the password from a program.
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

    /// Runs the client until the server has accepted or refused it.
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
                    offered: log::offered(&end.stderr),
                    log: end.stderr,
                });
            }
            // Authenticated, but the session ended before the command ran: trying again would not help.
            if let Some(status) = log::session_status(&end.stderr) {
                bail!("the server let {user} in and ran no command: exit status {status}");
            }
            // No verdict: for a while the server ignores a client that it has refused several times (OpenSSH's
            // PerSourcePenalties).
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

    /// The server's host key for `algorithm`: its type and fingerprint.
    ///
    /// # Errors
    /// The server has no such key, or refuses `key`.
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
            .context("the client did not log the server's host key")
    }

    /// The algorithms in the server's KEXINIT (RFC 4253, 7.1): the client's name for each list, and its entries.
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
            let lists = log::proposal(&end.stderr);
            if !lists.is_empty() {
                break lists;
            }
            // As for a login, the server may ignore the client for a while.
            if start.elapsed() > VERDICT_DEADLINE {
                let last = end.stderr.lines().last().unwrap_or("no message");
                bail!("the server proposed nothing: {last}");
            }
            thread::sleep(Duration::from_secs(1));
        };
        Ok(lists)
    }

    /// Opens a root shell that stays open.
    ///
    /// # Errors
    /// The server refuses `key`, or no shell answers within [`LOGIN_DEADLINE`].
    pub fn shell(&self, key: &Key) -> Result<Shell> {
        let mut ssh = self.client(&self.user);
        ssh.args(["-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-i"])
            .arg(&key.private);
        // Debian's PATH lacks sbin for this user.
        ssh.args([
            "127.0.0.1",
            "exec sudo -n sh -c 'PATH=$PATH:/usr/sbin:/sbin exec sh'",
        ]);
        Shell::start(ssh, LOGIN_DEADLINE)
    }
}
