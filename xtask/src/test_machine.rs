//! A machine of the tests: the virtual machine, and the disks that are plugged into it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use vm::Machine;
use vm::vm_snapshot::VmSnapshot;

use crate::disk_fixtures::{DiskSetup, PluggedDisks};

pub struct TestMachine {
    pub vm: Machine,
    pub disks: PluggedDisks,
}

/// A machine that was saved while it ran.
pub struct SavedMachine {
    vm: VmSnapshot,
    disks: PluggedDisks,
}

impl TestMachine {
    /// Takes all disks out of a machine that is switched off, and plugs those of `setup` in.
    ///
    /// # Errors
    /// The machine is switched on, or the disks cannot be made.
    pub fn swap_disks(&mut self, setup: DiskSetup) -> Result<()> {
        self.disks.swap(&mut self.vm, setup)
    }

    /// Stops the machine for good; see [`Machine::save`].
    pub fn save(&mut self) -> Result<SavedMachine> {
        Ok(SavedMachine {
            vm: self.vm.save()?,
            disks: self.disks.clone(),
        })
    }
}

impl SavedMachine {
    /// A machine that resumes from here; see [`VmSnapshot::resume`].
    pub fn resume(&self, folder: &Path) -> Result<(TestMachine, Duration)> {
        let (vm, took) = self.vm.resume(folder)?;
        let disks = self.disks.clone();
        Ok((TestMachine { vm, disks }, took))
    }
}
