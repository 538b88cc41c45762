//! A machine's configuration and state, and the channels of a running one.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::config::{Disk, QemuConfig};
use crate::console::{self, Console};
use crate::error::host_error;
use crate::lan::Lan;
use crate::lan_probe::LanProbe;
use crate::qemu::Qemu;
use crate::shell::Shell;
use crate::ssh::{Key, Server};

/// The machine did not boot in time.
#[derive(Debug, thiserror::Error)]
#[error("{why}; the last lines of its console:\n{tail}")]
pub struct NoLogin {
    /// What did not appear, and the time limit.
    pub why: String,
    /// The last 40 lines of the console.
    pub tail: String,
}

/// QEMU ended during a test, on its own or killed from outside: this says nothing about the guest.
#[derive(Debug, thiserror::Error)]
#[error(
    "QEMU ended during the test ({how}); the console's last line: {last_line:?}; if nothing killed it, see {log}"
)]
pub struct Ended {
    /// Its exit status.
    pub how: String,
    /// The last line on the console: after a kernel panic, the reason.
    pub last_line: String,
    /// Path of the console's log.
    pub log: String,
}

/// The login's key does not open a root shell: a check that needs one cannot judge the guest.
#[derive(Debug, thiserror::Error)]
#[error("no root shell: {0}")]
pub struct NoShell(pub String);

/// The account that logs in to the guest, by SSH and on the console.
#[derive(Debug, Clone)]
pub struct Login {
    /// An account with passwordless sudo.
    pub user: String,
    pub key: Key,
    /// The guest's TCP port of SSH; one of [`QemuConfig::forwards`].
    pub ssh_port: u16,
}

/// What the console shows at the end of a boot.
#[derive(Debug, Clone)]
pub struct BootedWhen {
    /// A regular expression: the boot is done.
    pub pattern: String,
    /// A text that shows that the boot has failed: the wait ends before the deadline.
    pub failed: Option<String>,
}

impl Default for BootedWhen {
    /// getty's prompt, and the first line of systemd's emergency mode (systemd, src/sulogin-shell/sulogin-shell.c).
    fn default() -> Self {
        BootedWhen {
            pattern: "login: ".into(),
            failed: Some("You are in emergency mode".into()),
        }
    }
}

/// The machine, how it shows that it has booted, and how to log in.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    pub qemu: QemuConfig,
    pub booted: BootedWhen,
    /// `None` for a guest without an SSH server: then a boot does not wait for SSH, and only the console runs commands.
    pub login: Option<Login>,
    /// From power on to the end of [`Machine::boot`].
    pub boot_deadline: Duration,
}

/// What happened when the network cable was plugged in.
#[derive(Debug, Clone, Copy)]
pub struct PluggedIn {
    /// How many DHCP answers were withheld.
    pub withheld: usize,
    /// From the cable to SSH's answer.
    pub took: Duration,
}

pub(super) struct Running {
    pub qemu: Qemu,
    pub console: Console,
    pub lan_probe: LanProbe,
    pub server: Option<Server>,
    /// The guest's port -> the host's port that leads to it.
    pub ports: BTreeMap<u16, u16>,
    pub shell: Option<Shell>,
    /// The server's refusal of the login's key, if that has opened no shell before. It is not tried again until the next
    /// start: a server delays clients that it has refused a few times.
    pub refused: Option<String>,
    /// The login's key has opened a shell.
    pub let_in: bool,
}

/// A machine, on or off; its disks keep their content.
pub struct Machine {
    pub(super) config: MachineConfig,
    /// Logs, sockets, copies of firmware variables.
    pub folder: PathBuf,
    /// How long each boot took: to the end of [`Machine::boot`], or to that of its jobs where a check waited for them.
    pub boots: Vec<Duration>,
    /// What happened when the cable was plugged in, if it was not from the beginning.
    pub plugged_in: Option<Result<PluggedIn, String>>,
    pub(super) running: Option<Running>,
}

impl Machine {
    /// A machine that is off. Creates `folder`.
    pub fn new(config: MachineConfig, folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Machine {
            config,
            folder,
            boots: Vec::new(),
            plugged_in: None,
            running: None,
        })
    }

    /// The account that logs in.
    ///
    /// # Panics
    /// [`MachineConfig::login`] is `None`.
    pub fn login(&self) -> &Login {
        let login = self.config.login.as_ref();
        login.expect("this machine's configuration has no login")
    }

    /// The disks that are plugged in.
    pub fn disks(&self) -> &[Disk] {
        &self.config.qemu.disks
    }

    /// Changes a machine that is off.
    ///
    /// # Errors
    /// It is on.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut QemuConfig)) -> Result<()> {
        if self.running.is_some() {
            bail!("the machine is on: switch it off before changing it");
        }
        change(&mut self.config.qemu);
        Ok(())
    }

    /// The serial console of a machine that is on.
    pub fn console(&mut self) -> Result<&mut Console> {
        Ok(&mut self.running()?.console)
    }

    /// Another host on the guest's network segment.
    pub fn lan_probe(&mut self) -> Result<&mut LanProbe> {
        Ok(&mut self.running()?.lan_probe)
    }

    /// Where the guest's SSH server is reached.
    pub fn server(&mut self) -> Result<Server> {
        Ok(self.running()?.server()?.clone())
    }

    /// The network that the guest is plugged into.
    pub fn lan(&self) -> Lan {
        self.config.qemu.lan
    }

    /// The port of 127.0.0.1 that leads to the guest's TCP port `guest`.
    pub fn forwarded(&mut self, guest: u16) -> Result<u16> {
        let host = self.running()?.ports.get(&guest).copied();
        host.with_context(|| format!("no port of the host leads to the guest's port {guest}"))
    }

    /// How to reach the machine from another terminal: the ssh command, and the console's log.
    pub fn how_to_reach(&mut self) -> Result<String> {
        let key = self.login().key.private.display().to_string();
        let server = self.server()?;
        Ok(format!(
            "ssh -p {} -i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null {}@127.0.0.1\nconsole: {}",
            server.port,
            server.user,
            self.console_log().display(),
        ))
    }

    /// Turns `error` into [`Ended`] when QEMU has ended, and into a [`crate::HostError`] when this computer has no room for the
    /// machine's disks: then the guest is not to blame.
    pub fn blame(&mut self, error: anyhow::Error) -> anyhow::Error {
        let Some(running) = self.running.as_mut() else {
            return error;
        };
        if let Some(how) = running.qemu.ended() {
            return self.ended(how);
        }
        match running.qemu.qmp.is_out_of_room() {
            Ok(true) => host_error(format!(
                "no space is left for the machine's disks in {}, so QEMU has stopped it: free some, and run this again",
                self.folder.display()
            )),
            _ => error,
        }
    }

    pub(super) fn ended(&self, how: String) -> anyhow::Error {
        let log = self.console_log();
        let tail = console::tail(&log);
        Ended {
            how,
            last_line: tail.lines().last().unwrap_or_default().trim().to_string(),
            log: log.display().to_string(),
        }
        .into()
    }

    pub(super) fn running(&mut self) -> Result<&mut Running> {
        self.running.as_mut().context("the machine is switched off")
    }

    pub(super) fn console_log(&self) -> PathBuf {
        self.folder.join("console.log")
    }
}

impl Running {
    pub fn server(&self) -> Result<&Server> {
        let server = self.server.as_ref();
        server.context("the machine has no SSH login in its configuration")
    }

    /// Waits until the SSH server answers.
    ///
    /// # Errors
    /// `deadline` passes, QEMU ends, the machine has no login, or Ctrl-C.
    pub fn wait_for_ssh(&mut self, deadline: Duration) -> Result<()> {
        let server = self.server()?.clone();
        server.wait(deadline, || match self.qemu.ended() {
            Some(how) => bail!("QEMU ended: {how}"),
            None => Ok(()),
        })?;
        Ok(())
    }
}
