//! Power on, reboot, power off.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};

use super::state::{Machine, NoLogin, Running};
use crate::console::{self, Console};
use crate::lan_probe::LanProbe;
use crate::process::{POLL, check_interrupt, pause};
use crate::qemu::Qemu;
use crate::ssh::Server;

/// A clean shutdown: containers get time to stop.
const SHUTDOWN: Duration = Duration::from_secs(180);

/// A restart, as seen from outside.
#[derive(Debug, Clone)]
pub struct Reboot {
    /// What the hardware clock showed when the guest had shut down; see [`crate::qmp::Qmp::hardware_clock`].
    pub hardware_clock: String,
    /// This host's time then.
    pub shut_down: SystemTime,
    /// From power on until the guest has booted; see [`Machine::boot`].
    pub login: Duration,
}

impl Machine {
    /// Switches the machine on and waits until it has booted: the console shows what [`super::BootedWhen`] names and,
    /// where the cable is plugged in and there is a login, SSH answers.
    ///
    /// # Errors
    /// [`NoLogin`] at the deadline, [`super::Ended`] when QEMU has ended, or QEMU's refusal.
    pub fn boot(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.plugged_in = None;
        let deadline = self.config.boot_deadline;
        let ssh = self.config.qemu.cable && self.config.login.is_some();
        let booted = self.config.booted.clone();
        let log = self.console_log();
        let running = self.switch_on(None)?;
        let console = &mut running.console;
        let shown = console.wait_for_unless(&booted.pattern, booted.failed.as_deref(), deadline);
        let came_up = shown.and_then(|()| match ssh {
            true => running.wait_for_ssh(deadline.saturating_sub(start.elapsed())),
            false => Ok(()),
        });
        if let Err(error) = came_up {
            check_interrupt()?;
            let no_login = NoLogin {
                why: format!("{error:#}"),
                tail: console::tail(&log),
            };
            return Err(self.blame(no_login.into()));
        }
        let took = start.elapsed();
        self.boots.push(took);
        Ok(took)
    }

    /// Switches the machine on, and cuts the power `after` that.
    pub fn boot_interrupted(&mut self, after: Duration) -> Result<()> {
        self.switch_on(None)?;
        pause(after)?;
        self.power_cut();
        Ok(())
    }

    /// Starts QEMU, from `snapshot` if there is one, and opens its channels.
    pub(super) fn switch_on(&mut self, snapshot: Option<&Path>) -> Result<&mut Running> {
        let log = self.console_log();
        // What the log holds is from earlier boots, unless the machine resumes.
        let before = match snapshot {
            None => console::log_length(&log),
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
        let server = match &config.login {
            Some(login) => Some(Server {
                port: *ports.get(&login.ssh_port).with_context(|| {
                    format!(
                        "no port is forwarded to the guest's port {}",
                        login.ssh_port
                    )
                })?,
                user: login.user.clone(),
            }),
            None => None,
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

    /// Cuts the power without a warning.
    pub fn power_cut(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.qemu.kill();
        }
    }

    /// Restarts the guest with `systemctl reboot`, and waits as [`Machine::boot`] does.
    pub fn reboot(&mut self) -> Result<Reboot> {
        self.running()?.qemu.qmp.stop_at_shutdown()?;
        self.succeed("systemctl reboot --no-block")?;
        let running = self.running()?;
        running.shell = None;
        let end = Instant::now() + SHUTDOWN;
        while !running.qemu.qmp.is_shut_down()? {
            check_interrupt()?;
            if Instant::now() > end {
                bail!(
                    "the guest did not shut down within {} s",
                    SHUTDOWN.as_secs()
                );
            }
            thread::sleep(POLL);
        }
        let hardware_clock = running.qemu.qmp.hardware_clock()?;
        let shut_down = SystemTime::now();
        self.power_cut();
        Ok(Reboot {
            hardware_clock,
            shut_down,
            login: self.boot()?,
        })
    }

    /// Whether the machine ends within `deadline`: it restarts or is switched off. (QEMU does not restart by itself.)
    ///
    /// # Errors
    /// It is off already, or Ctrl-C.
    pub fn ends_within(&mut self, deadline: Duration) -> Result<bool> {
        let end = Instant::now() + deadline;
        loop {
            if self.running()?.qemu.ended().is_some() {
                return Ok(true);
            }
            if Instant::now() > end {
                return Ok(false);
            }
            check_interrupt()?;
            thread::sleep(POLL);
        }
    }

    /// Waits until the machine is switched off, or until Ctrl-C.
    pub fn wait_until_off(&mut self) -> Result<()> {
        while self.running()?.qemu.ended().is_none() {
            check_interrupt()?;
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}
