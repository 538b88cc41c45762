//! A machine under test: the virtual machine, and the disks that are plugged into it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use vm::Machine;
use vm::vm_snapshot::VmSnapshot;

use crate::disk_fixtures::{DiskSetup, PluggedDisks};

/// A virtual machine and its disks.
pub struct TestMachine {
    pub vm: Machine,
    pub disks: PluggedDisks,
}

/// The saved state of a running machine.
pub struct SavedMachine {
    vm: VmSnapshot,
    disks: PluggedDisks,
}

impl TestMachine {
    /// Unplugs all disks of a machine that is switched off, and plugs in those of `setup`.
    ///
    /// # Errors
    /// The machine is switched on, or the disks cannot be made.
    pub fn swap_disks(&mut self, setup: DiskSetup) -> Result<()> {
        self.disks.swap(&mut self.vm, setup)
    }

    /// Saves the machine's state, and ends it; see [`Machine::save`].
    pub fn save(&mut self) -> Result<SavedMachine> {
        Ok(SavedMachine {
            vm: self.vm.save()?,
            disks: self.disks.clone(),
        })
    }
}

impl SavedMachine {
    /// A new machine that resumes from this state, and how long that took; see [`VmSnapshot::resume`].
    pub fn resume(&self, folder: &Path) -> Result<(TestMachine, Duration)> {
        let (vm, took) = self.vm.resume(folder)?;
        let disks = self.disks.clone();
        Ok((TestMachine { vm, disks }, took))
    }
}
