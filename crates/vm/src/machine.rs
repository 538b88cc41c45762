//! A machine with its power on or off.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::config::{Disk, QemuConfig};
use crate::console::{self, Console};
use crate::hotplug::PluggedIn;
use crate::lan_probe::LanProbe;
use crate::process::{POLL, check_interrupt, pause};
use crate::qemu::Qemu;
use crate::shell::Shell;
use crate::ssh::{Key, Server};

/// A clean shutdown: containers get time to stop.
const SHUTDOWN: Duration = Duration::from_secs(180);
/// What systemd-sulogin-shell shows where a machine does not come up by itself (systemd, src/sulogin-shell/sulogin-shell.c).
const EMERGENCY: &str = "You are in emergency mode";

/// The machine did not get to a login.
#[derive(Debug, thiserror::Error)]
#[error("{why}; the last lines of its console:\n{tail}")]
pub struct NoLogin {
    pub why: String,
    /// The last 40 lines of the console.
    pub tail: String,
}

/// The machine ended by itself, or something outside ended it: no promise can be judged any more.
#[derive(Debug, thiserror::Error)]
#[error(
    "QEMU ended in the middle of the test ({how}); the console's last words: {said:?}; if nothing killed it, see {log}"
)]
pub struct Ended {
    /// Its exit status.
    pub how: String,
    /// The last line on the console: of a kernel that panics, why.
    pub said: String,
    /// Where the console's log is.
    pub log: String,
}

/// Who logs in to the guest, by SSH and on the console.
#[derive(Debug, Clone)]
pub struct Login {
    /// An account with passwordless sudo.
    pub user: String,
    pub key: Key,
    /// The guest's TCP port of SSH; one of [`QemuConfig::forwards`].
    pub ssh_port: u16,
}

/// The machine, who logs in, and how long it may take to boot.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    pub qemu: QemuConfig,
    pub login: Login,
    /// From power on to a login.
    pub boot_deadline: Duration,
}

pub(crate) struct Running {
    pub qemu: Qemu,
    pub console: Console,
    pub lan_probe: LanProbe,
    pub server: Server,
    /// The guest's port -> the host's that leads there.
    ports: BTreeMap<u16, u16>,
    pub shell: Option<Shell>,
    /// What was said when the owner's key was refused, if it has opened no shell before: nobody asks again until the next
    /// start, since a server keeps a client waiting whom it has refused a few times.
    pub refused: Option<String>,
    /// The owner's key has opened a shell.
    pub let_in: bool,
}

/// A machine with its power on or off; its disks keep their content.
pub struct Machine {
    pub(crate) config: MachineConfig,
    /// Logs, sockets, copies of firmware variables.
    pub folder: PathBuf,
    /// How long each boot took: to the login, or to the end of its jobs where a check waited for that.
    pub boots: Vec<Duration>,
    /// What happened when the cable was plugged in, if it was not from the beginning.
    pub plugged_in: Option<Result<PluggedIn, String>>,
    pub(crate) running: Option<Running>,
}

impl Machine {
    /// A machine that is switched off. `folder` is made.
    pub fn new(config: MachineConfig, folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Machine {
            config,
            folder,
            boots: Vec::new(),
            plugged_in: None,
            running: None,
        })
    }

    /// Who logs in.
    pub fn login(&self) -> &Login {
        &self.config.login
    }

    /// The disks that are plugged in.
    pub fn disks(&self) -> &[Disk] {
        &self.config.qemu.disks
    }

    /// Changes a machine that is switched off.
    ///
    /// # Errors
    /// It is switched on.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut QemuConfig)) -> Result<()> {
        if self.running.is_some() {
            bail!("the machine is switched on");
        }
        change(&mut self.config.qemu);
        Ok(())
    }

    /// Switches the machine on and waits for a login on the console and, where the cable is plugged in, for SSH to
    /// answer.
    ///
    /// # Errors
    /// [`NoLogin`] at the deadline, [`Ended`] when QEMU is gone, or QEMU's refusal.
    pub fn boot(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.plugged_in = None;
        let (deadline, cable) = (self.config.boot_deadline, self.config.qemu.cable);
        let log = self.folder.join("console.log");
        let running = self.switch_on(None)?;
        let came_up = running
            .console
            .wait_for_unless("login: ", EMERGENCY, deadline)
            .and_then(|()| {
                if !cable {
                    return Ok(());
                }
                let left = deadline.saturating_sub(start.elapsed());
                let qemu = &mut running.qemu;
                running.server.wait(left, || match qemu.ended() {
                    Some(how) => Err(anyhow!("QEMU ended: {how}")),
                    None => Ok(()),
                })?;
                Ok(())
            });
        if let Err(error) = came_up {
            check_interrupt()?;
            return Err(match running.qemu.ended() {
                Some(how) => self.ended(how),
                None => NoLogin {
                    why: format!("{error:#}"),
                    tail: console::tail(&log),
                }
                .into(),
            });
        }
        let took = start.elapsed();
        self.boots.push(took);
        Ok(took)
    }

    /// Switches the machine on, and the power goes `after` that.
    pub fn boot_interrupted(&mut self, after: Duration) -> Result<()> {
        self.switch_on(None)?;
        pause(after)?;
        self.power_cut();
        Ok(())
    }

    /// Starts QEMU, from `snapshot` if there is one, and takes hold of its channels.
    pub(crate) fn switch_on(&mut self, snapshot: Option<&Path>) -> Result<&mut Running> {
        let log = self.folder.join("console.log");
        // Its content so far is of earlier boots, unless the machine resumes.
        let before = match snapshot {
            None => console::length(&log),
            Some(_) => 0,
        };
        let config = &self.config;
        let mut qemu = Qemu::start(&config.qemu, snapshot, &self.folder)?;
        let console = Console::new(qemu.console.try_clone()?, &log, before)?;
        let lan_probe = LanProbe::connect(qemu.guest.try_clone()?, qemu.uplink.try_clone()?)?;
        let mut ports = BTreeMap::new();
        for forward in &config.qemu.forwards {
            ports.insert(forward.guest, qemu.qmp.forwarded(forward.guest)?);
        }
        let server = Server {
            port: forwarded(&ports, config.login.ssh_port)?,
            user: config.login.user.clone(),
        };
        Ok(self.running.insert(Running {
            qemu,
            console,
            lan_probe,
            server,
            ports,
            shell: None,
            refused: None,
            let_in: false,
        }))
    }

    fn ended(&self, how: String) -> anyhow::Error {
        let log = self.folder.join("console.log");
        let tail = console::tail(&log);
        Ended {
            how,
            said: tail.lines().last().unwrap_or_default().trim().to_string(),
            log: log.display().to_string(),
        }
        .into()
    }

    pub(crate) fn running(&mut self) -> Result<&mut Running> {
        self.running.as_mut().context("the machine is switched off")
    }

    /// Turns `error` into [`Ended`] when QEMU is gone: then the guest is not to blame.
    pub fn blame(&mut self, error: anyhow::Error) -> anyhow::Error {
        match self.running.as_mut().map(|running| running.qemu.ended()) {
            Some(Some(how)) => self.ended(how),
            _ => error,
        }
    }

    pub fn console(&mut self) -> Result<&mut Console> {
        Ok(&mut self.running()?.console)
    }

    /// Another host on the guest's network segment.
    pub fn lan_probe(&mut self) -> Result<&mut LanProbe> {
        Ok(&mut self.running()?.lan_probe)
    }

    /// The way to the guest's SSH server.
    pub fn server(&mut self) -> Result<Server> {
        Ok(self.running()?.server.clone())
    }

    /// The port of 127.0.0.1 that leads to the guest's TCP port `guest`.
    pub fn forwarded(&mut self, guest: u16) -> Result<u16> {
        forwarded(&self.running()?.ports, guest)
    }

    /// The power goes without a warning.
    pub fn power_cut(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.qemu.kill();
        }
    }

    /// Restarts the guest as its owner would, and waits for the login.
    pub fn reboot(&mut self) -> Result<Duration> {
        // QEMU runs with -no-reboot: it ends where real hardware would start anew.
        self.succeed("systemctl reboot --no-block")?;
        let running = self.running()?;
        running.shell = None;
        let end = Instant::now() + SHUTDOWN;
        while running.qemu.ended().is_none() {
            check_interrupt()?;
            if Instant::now() > end {
                bail!(
                    "the guest did not shut down within {} s",
                    SHUTDOWN.as_secs()
                );
            }
            std::thread::sleep(POLL);
        }
        self.running = None;
        self.boot()
    }

    /// How a person reaches the machine: the ssh command, and the console's log.
    pub fn how_to_reach(&mut self) -> Result<String> {
        let key = self.config.login.key.private.display().to_string();
        let server = self.server()?;
        Ok(format!(
            "ssh -p {} -i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null {}@127.0.0.1\nconsole: {}",
            server.port,
            server.user,
            self.folder.join("console.log").display(),
        ))
    }

    /// Waits until the machine is switched off, or until Ctrl-C.
    pub fn wait_until_off(&mut self) -> Result<()> {
        while self.running()?.qemu.ended().is_none() {
            check_interrupt()?;
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

fn forwarded(ports: &BTreeMap<u16, u16>, guest: u16) -> Result<u16> {
    let host = ports.get(&guest).copied();
    host.with_context(|| format!("no port of the host leads to the guest's port {guest}"))
}
