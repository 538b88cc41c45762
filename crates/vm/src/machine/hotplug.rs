//! What is plugged in and pulled out while a machine is running: the network cable, and disks.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use super::state::{Machine, PluggedIn};
use crate::process::{POLL, check_interrupt};

/// A guest normally releases a disk within seconds of the request.
const PULL_DEADLINE: Duration = Duration::from_secs(60);

impl Machine {
    /// Plugs the cable in, withholds DHCP answers for `late`, and waits for SSH to answer. Only the first call
    /// acts; later calls return its result.
    ///
    /// # Errors
    /// No answer within `late` and `deadline`, or QEMU has ended.
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
        running.wait_for_ssh(late + deadline)?;
        Ok(PluggedIn {
            withheld: running.lan_probe.withheld(),
            took: start.elapsed(),
        })
    }

    /// Pulls the removable disk `serial` out of the running machine.
    ///
    /// # Errors
    /// The guest has not released it within 60 s.
    pub fn pull(&mut self, serial: &str) -> Result<()> {
        let qmp = &mut self.running()?.qemu.qmp;
        let end = Instant::now() + PULL_DEADLINE;
        qmp.pull(serial)?;
        while qmp.has(serial)? {
            check_interrupt()?;
            if Instant::now() > end {
                bail!(
                    "the guest did not release the disk {serial} within {} s",
                    PULL_DEADLINE.as_secs()
                );
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Plugs the disk `serial` in again.
    pub fn plug(&mut self, serial: &str) -> Result<()> {
        self.running()?.qemu.qmp.plug(serial)
    }
}
