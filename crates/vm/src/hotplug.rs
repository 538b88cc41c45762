//! What is plugged in and pulled out while a machine is running: the network cable, and disks.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use crate::machine::Machine;
use crate::process::{POLL, check_interrupt};

/// A guest answers the request to let go of a disk within seconds.
const PULL: Duration = Duration::from_secs(60);

/// What happened when the network cable was plugged in.
#[derive(Debug, Clone, Copy)]
pub struct PluggedIn {
    /// How many answers the DHCP server did not give.
    pub withheld: usize,
    /// From the cable to SSH's answer.
    pub took: Duration,
}

impl Machine {
    /// Plugs the cable in, into a network whose DHCP server comes up `late`, and waits for SSH to answer. Once: after
    /// that, what happened then is told again.
    ///
    /// # Errors
    /// No answer within `late` and `deadline`, or QEMU is gone.
    pub fn plug_in(&mut self, late: Duration, deadline: Duration) -> Result<PluggedIn> {
        if self.plugged_in.is_none() {
            let plugged_in = self.connect(late, deadline);
            check_interrupt()?;
            let plugged_in = plugged_in.map_err(|error| format!("{:#}", self.blame(error)));
            self.plugged_in = Some(plugged_in);
        }
        match self.plugged_in.clone() {
            Some(Ok(plugged_in)) => Ok(plugged_in),
            Some(Err(why)) => Err(anyhow!(why)),
            None => bail!("the cable is not plugged in"),
        }
    }

    fn connect(&mut self, late: Duration, deadline: Duration) -> Result<PluggedIn> {
        let running = self.running()?;
        running.lan_probe.silence_dhcp(late);
        running.qemu.qmp.set_link(true)?;
        let start = Instant::now();
        let qemu = &mut running.qemu;
        running
            .server
            .wait(late + deadline, || match qemu.ended() {
                Some(how) => Err(anyhow!("QEMU ended: {how}")),
                None => Ok(()),
            })?;
        Ok(PluggedIn {
            withheld: running.lan_probe.withheld(),
            took: start.elapsed(),
        })
    }

    /// Pulls the disk called `serial` out of the running machine.
    ///
    /// # Errors
    /// The guest has not let go of it within [`PULL`].
    pub fn pull(&mut self, serial: &str) -> Result<()> {
        let qmp = &mut self.running()?.qemu.qmp;
        let end = Instant::now() + PULL;
        qmp.pull(serial)?;
        while qmp.has(serial)? {
            check_interrupt()?;
            if Instant::now() > end {
                bail!("the guest keeps the disk {serial} for {} s", PULL.as_secs());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Plugs the disk called `serial` in again.
    pub fn plug(&mut self, serial: &str) -> Result<()> {
        self.running()?.qemu.qmp.plug(serial)
    }
}
