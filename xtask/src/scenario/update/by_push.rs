//! `update.by-push`

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use vm::process::{self, Group, pause};

use super::published::{BAD, NEWER, worse};
use super::trial::{self, Settled};
use crate::scenario::{Context, Finding, one_line};
use crate::update_release::derived::ParameterEdit;

/// The timeout of sending and writing the whole system, under emulation.
const SENDING: Duration = Duration::from_secs(1200);
/// The timeout of the command, from the end of the trial on.
const KNOWING: Duration = Duration::from_secs(180);
/// What the machine is called on the owner's computer.
const HOST: &str = "gaming-pc";

/// `cargo xtask update`, as an owner runs it.
#[derive(Debug, Clone)]
struct Push {
    status: i32,
    said: String,
    settled: Settled,
}

#[derive(Debug, Clone)]
struct Facts {
    first: String,
    /// A version whose SSH server does not start.
    broken: Push,
    good: Push,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    trial::judged(gather(cx), judge)
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let computer = OwnersComputer::new(cx)?;
    let first = trial::state(cx)?.version;
    let broken = worse(
        cx,
        vec![ParameterEdit::Add("systemd.mask=sshd.service".into())],
    )?;
    let broken = computer.push(cx, &broken)?;
    let newer = cx.newer.clone().context("there is no newer image")?;
    Ok(Facts {
        first,
        broken,
        good: computer.push(cx, &newer)?,
    })
}

/// A folder with the `ssh` that the command finds, which knows the machine as [`HOST`].
struct OwnersComputer {
    folder: PathBuf,
}

impl OwnersComputer {
    fn new(cx: &mut Context) -> Result<Self> {
        let folder = cx.folder.join("owners-computer");
        fs::create_dir_all(&folder)?;
        let ssh = which::which("ssh").context("there is no ssh")?;
        let program = folder.join("ssh");
        let config = folder.join("config");
        fs::write(
            &program,
            format!(
                "#!/bin/sh\nexec {} -F {} \"$@\"\n",
                ssh.display(),
                config.display()
            ),
        )?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        let computer = OwnersComputer { folder };
        computer.find(cx)?;
        Ok(computer)
    }

    /// Writes the machine's address to ssh's configuration: its port changes with each start.
    fn find(&self, cx: &mut Context) -> Result<()> {
        let server = cx.machine.server()?;
        let (port, user) = (server.port, server.user.clone());
        let key = cx.machine.login().key.private.display();
        let config = format!(
            "Host {HOST}\n HostName 127.0.0.1\n Port {port}\n User {user}\n IdentityFile {key}\n IdentitiesOnly yes\n \
             StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n LogLevel ERROR\n"
        );
        fs::write(self.folder.join("config.new"), config)?;
        fs::rename(self.folder.join("config.new"), self.folder.join("config"))?;
        Ok(())
    }

    /// Runs `xtask update`, and switches the machine on whenever it restarts.
    fn push(&self, cx: &mut Context, image: &Path) -> Result<Push> {
        let log = self.folder.join("update.log");
        let output = fs::File::create(&log)?;
        let mut command = process::command(std::env::current_exe()?);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(["update", HOST, "--yes", "--image"])
            .arg(image)
            .env("PATH", format!("{}:{path}", self.folder.display()))
            .stdin(std::process::Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = process::tie_to_us(&mut command)
            .spawn()
            .context("cannot start `xtask update`")?;
        let mut child = Group(child);
        let end = Instant::now() + SENDING;
        while !cx.machine.ends_within(Duration::from_secs(1))? {
            if child.0.try_wait()?.is_some() {
                bail!("`xtask update` ended: {}", said(&log));
            }
            ensure!(
                Instant::now() < end,
                "`xtask update` is still sending: {}",
                said(&log)
            );
        }
        let settled = trial::settle_and(cx, &mut |cx| self.find(cx))?;
        Ok(Push {
            status: status(&mut child.0)?,
            said: said(&log),
            settled,
        })
    }
}

fn status(child: &mut Child) -> Result<i32> {
    let end = Instant::now() + KNOWING;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code().unwrap_or(-1));
        }
        ensure!(Instant::now() < end, "`xtask update` has not ended");
        pause(Duration::from_secs(1))?;
    }
}

fn said(log: &Path) -> String {
    one_line(fs::read_to_string(log).unwrap_or_default().trim())
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    let Facts {
        first,
        broken,
        good,
    } = facts;
    if broken.status != 1 || !broken.said.contains("SSH does not answer") {
        faults.push(format!(
            "a broken SSH: exit {}: {}",
            broken.status, broken.said
        ));
    }
    let state = &broken.settled.state;
    if state.version != *first || !state.undone.iter().any(|undone| undone.version == BAD) {
        faults.push(format!("after a broken SSH: {state:?}"));
    }
    if broken.settled.starts != 4 {
        faults.push(format!(
            "after a broken SSH the machine started {} times",
            broken.settled.starts
        ));
    }
    if good.status != 0 || !good.said.contains("is healthy") {
        faults.push(format!(
            "a good version: exit {}: {}",
            good.status, good.said
        ));
    }
    if good.settled.state.version != NEWER {
        faults.push(format!("{} runs", good.settled.state.version));
    }
    Finding::from_faults(
        &faults,
        format!(
            "a version with a broken SSH was undone automatically after {} s, and a good one runs {} s after its restart",
            broken.settled.seconds, good.settled.seconds
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};
    use crate::scenario::update::trial::{State, Undone};

    fn good() -> Facts {
        let push = |status, said: &str, starts, version: &str, undone: &[&str]| Push {
            status,
            said: said.into(),
            settled: Settled {
                starts,
                state: State {
                    version: version.into(),
                    trial: false,
                    undone: undone
                        .iter()
                        .map(|version| Undone {
                            version: version.to_string(),
                            why: "w".into(),
                        })
                        .collect(),
                },
                seconds: 100,
            },
        };
        Facts {
            first: "1".into(),
            broken: push(1, "was undone: SSH does not answer", 4, "1", &[BAD]),
            good: push(0, "runs and is healthy", 1, NEWER, &[]),
        }
    }

    #[test]
    fn kept_when_the_broken_one_is_undone_and_the_good_one_runs() {
        assert_kept(
            judge(&good()),
            "a version with a broken SSH was undone automatically after 100 s, and a good one runs 100 s after its restart",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.broken.status = 0,
                    "a broken SSH: exit 0: was undone: SSH does not answer",
                ),
                (
                    |facts| facts.broken.settled.starts = 3,
                    "after a broken SSH the machine started 3 times",
                ),
                (
                    |facts| facts.good.status = 2,
                    "a good version: exit 2: runs and is healthy",
                ),
                (
                    |facts| facts.good.settled.state.version = "1".into(),
                    "1 runs",
                ),
            ],
        );
    }
}
