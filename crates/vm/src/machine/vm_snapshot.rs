//! Machines that resume from where another one was stopped: with the same memory and the same disks, each on its own.
//!
//! QEMU's `savevm` needs writable disks in a format that holds snapshots. The disks here are raw. So the memory goes to a
//! file, the disks stay as they are, and a resumed machine writes to temporary overlays.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::state::{Machine, MachineConfig};

/// From a saved state to SSH's answer.
const RESTORE: Duration = Duration::from_secs(60);

/// A machine that was stopped while it ran. Dropping it removes its folder.
#[derive(Debug)]
pub struct VmSnapshot {
    config: MachineConfig,
    /// Where its logs and firmware variables are.
    folder: PathBuf,
    state: PathBuf,
}

impl Machine {
    /// Saves the machine's state and switches it off. Any number of machines can resume from the snapshot.
    ///
    /// # Errors
    /// QEMU cannot save this machine. Then it keeps running.
    pub fn save(&mut self) -> Result<VmSnapshot> {
        let state = self.folder.join("state");
        let running = self.running()?;
        // Its SSH connection would break; the resumed machine opens its own.
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
        // The caller's folder above it is removed later; a leftover is removed then.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl VmSnapshot {
    /// A machine that resumes from here, with its logs in `folder`; and how long it took until SSH answered (where it has
    /// a login). Do not switch it on again: its overlays are gone with it.
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
        if running.server.is_some() {
            running.wait_for_ssh(RESTORE)?;
        }
        Ok((machine, start.elapsed()))
    }
}
