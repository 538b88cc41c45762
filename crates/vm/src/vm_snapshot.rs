//! Machines that go on from where another one was stopped: the same memory, the same disks, each by itself.
//!
//! QEMU's own snapshots (`savevm`) want every writable disk in a format that keeps them. The sticks here are raw, as they
//! are flashed; so the memory goes to a file, the disks stay as they are, and who goes on writes beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::machine::{Machine, MachineConfig};

/// From a saved state to SSH's answer.
const RESTORE: Duration = Duration::from_secs(60);

/// A machine that was stopped while it ran. Its folder goes with it.
#[derive(Debug)]
pub struct VmSnapshot {
    config: MachineConfig,
    /// Where its logs and firmware variables are.
    folder: PathBuf,
    state: PathBuf,
}

impl Machine {
    /// Stops the machine for good. What it was can be gone on with, as often as one likes, as long as its folder is
    /// there.
    ///
    /// # Errors
    /// QEMU cannot save this machine. Then it runs on.
    pub fn save(&mut self) -> Result<VmSnapshot> {
        let state = self.folder.join("state");
        let running = self.running()?;
        // A connection would be cut, and this one is not to be taken for the next machine's.
        running.shell = None;
        if let Err(error) = running.qemu.qmp.save(&state) {
            let _ = fs::remove_file(&state);
            running.qemu.qmp.cont()?;
            return Err(self.blame(error));
        }
        self.power_cut();
        Ok(VmSnapshot {
            config: self.config.clone(),
            folder: self.folder.clone(),
            state,
        })
    }
}

impl Drop for VmSnapshot {
    fn drop(&mut self) {
        // What is left goes with the run's folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl VmSnapshot {
    /// A machine that goes on from here, with its logs in `folder`, and how long it took until SSH answered. It is not
    /// to be switched on again: what it has written is gone with it.
    ///
    /// # Errors
    /// QEMU refuses the state, or SSH does not answer within 60 s.
    pub fn resume(&self, folder: &Path) -> Result<(Machine, Duration)> {
        let start = Instant::now();
        let mut machine = Machine::new(self.config.clone(), folder.to_path_buf())?;
        for file in ["console.log", "uefi-vars.fd"] {
            let from = self.folder.join(file);
            if from.exists() {
                fs::copy(&from, folder.join(file))
                    .with_context(|| format!("cannot copy {}", from.display()))?;
            }
        }
        let running = machine.switch_on(Some(&self.state))?;
        let qemu = &mut running.qemu;
        running.server.wait(RESTORE, || match qemu.ended() {
            Some(how) => Err(anyhow!("QEMU ended: {how}")),
            None => Ok(()),
        })?;
        Ok((machine, start.elapsed()))
    }
}
