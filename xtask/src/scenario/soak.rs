//! The same interruption many times over, at moments that nobody chose.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use uuid::Uuid;

use super::Context;
use super::durability::{DATA, RECORDS, host_keys, start_writing, synced, whole_records};
use crate::disk_fixtures::DiskSetup;
use vm::process::pause;

/// What interrupts the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// The power goes while records are written and synced.
    WhileWriting,
    /// The power goes while the machine shuts down, or is about to.
    WhileRebooting,
    /// The power goes while a fresh stick boots for the first time.
    WhileFirstBooting,
    /// A new image is written over the stick.
    Reflash,
}

impl Interruption {
    /// The three kinds of power cut.
    pub const POWER_CUTS: [Interruption; 3] = [
        Interruption::WhileWriting,
        Interruption::WhileRebooting,
        Interruption::WhileFirstBooting,
    ];
}

/// A time up to `most`, another one each time.
fn up_to(most: Duration) -> Duration {
    let share = Uuid::new_v4().as_u128() % 1_000_000;
    most.mul_f64(share as f64 / 1e6)
}

/// Interrupts a machine that runs (a fresh stick with its owner's key on the ESP), switches it on again, and tells what
/// is not as it was.
///
/// # Errors
/// The machine does not come back: [`vm::NoLogin`]; or the harness cannot go on.
pub fn interrupt(cx: &mut Context, interruption: Interruption) -> Result<Vec<String>> {
    let boot = cx.machine.boots.last().copied().unwrap_or_default();
    cx.machine.succeed(&format!(
        "dd if=/dev/urandom of={DATA} bs=1M count=4 2>/dev/null && sync {DATA}"
    ))?;
    let data = digest(cx)?;
    let mut keys = host_keys(cx)?;
    let mut records = 0;
    match interruption {
        Interruption::WhileWriting => {
            start_writing(cx)?;
            pause(Duration::from_millis(500) + up_to(Duration::from_secs(4)))?;
            records = synced(cx)?;
            cx.machine.power_cut();
        }
        Interruption::WhileRebooting => {
            cx.machine.succeed("systemctl reboot --no-block")?;
            pause(up_to(boot.mul_f64(0.4)))?;
            cx.machine.power_cut();
        }
        Interruption::WhileFirstBooting => {
            cx.machine.power_cut();
            cx.disks.swap(cx.machine, DiskSetup::Fresh)?;
            cx.machine.boot_interrupted(up_to(boot.mul_f64(1.1)))?;
            // A stick that has never been up has no identity yet, and nothing on it.
            keys = BTreeSet::new();
        }
        Interruption::Reflash => {
            cx.machine.power_cut();
            cx.disks.reflash()?;
        }
    }
    cx.machine.boot()?;
    let mut faults = Vec::new();
    let server = cx.machine.server()?;
    if !cx.owner_gets_in(&server)? {
        faults.push("the owner's key is refused".to_string());
        return Ok(faults);
    }
    if interruption != Interruption::WhileFirstBooting && digest(cx)? != data {
        faults.push("other data".to_string());
    }
    let now = host_keys(cx)?;
    if now.is_empty() || !keys.is_empty() && now != keys {
        faults.push(format!("other host keys: {now:?}, they were {keys:?}"));
    }
    if interruption == Interruption::WhileWriting {
        let found = whole_records(&cx.machine.exec(&[&format!("cat {RECORDS}")])?[0].text);
        if found < records {
            faults.push(format!("{found} of {records} synced records are left"));
        }
    }
    let outputs = cx
        .machine
        .exec(&["findmnt -no FSTYPE --mountpoint /persist"])?;
    if outputs[0].text != "ext4" {
        faults.push(format!("/persist is {:?}", outputs[0].text));
    }
    Ok(faults)
}

fn digest(cx: &mut Context) -> Result<String> {
    cx.machine
        .succeed(&format!("sha256sum < {DATA}"))
        .context("the data that was written")
}
