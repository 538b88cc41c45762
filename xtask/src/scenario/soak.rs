//! The same interruption many times over, at random moments.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use vm::process::pause;

use super::Context;
use super::durability::{DATA, RECORDS, host_keys, start_writing, synced, whole_records};
use super::moment::up_to;
use crate::disk_fixtures::DiskSetup;

/// What interrupts the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// A power cut while records are written and synced.
    WhileWriting,
    /// A power cut while the machine shuts down, or just before.
    WhileRebooting,
    /// A power cut while a fresh stick boots for the first time.
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

/// The machine before an interruption.
#[derive(Debug, Clone)]
struct Before {
    /// SHA-256 of [`DATA`]; `None` where the stick was exchanged.
    data: Option<String>,
    /// Host keys as a client sees them; empty where the stick was exchanged.
    host_keys: BTreeSet<String>,
    /// How many records were synced; 0 where none were written.
    synced: u64,
}

/// The machine after it.
#[derive(Debug, Clone)]
struct After {
    /// As in [`Before`]; read only where there is one to compare it with.
    data: Option<String>,
    host_keys: BTreeSet<String>,
    /// How many whole records were found.
    found: u64,
    /// The file system's type at /persist.
    file_system: String,
}

/// Interrupts a running machine (a fresh stick with its owner's key on the ESP), boots it again, and returns what is not as
/// it was.
///
/// # Errors
/// The machine does not come back: [`vm::NoLogin`]; or the harness cannot go on.
pub fn interrupt(cx: &mut Context, interruption: Interruption) -> Result<Vec<String>> {
    let before = make(cx, interruption)?;
    cx.machine.boot()?;
    let after = look(cx, &before)?;
    Ok(judge(&before, after.as_ref()))
}

/// Interrupts the machine, which is off afterwards.
fn make(cx: &mut Context, interruption: Interruption) -> Result<Before> {
    let boot = cx.machine.boots.last().copied().unwrap_or_default();
    cx.machine.succeed(&format!(
        "dd if=/dev/urandom of={DATA} bs=1M count=4 2>/dev/null && sync {DATA}"
    ))?;
    let mut before = Before {
        data: Some(digest(cx)?),
        host_keys: host_keys(cx)?,
        synced: 0,
    };
    match interruption {
        Interruption::WhileWriting => {
            start_writing(cx)?;
            pause(Duration::from_millis(500) + up_to(Duration::from_secs(4)))?;
            before.synced = synced(cx)?;
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
            before.data = None;
            before.host_keys.clear();
        }
        Interruption::Reflash => {
            cx.machine.power_cut();
            cx.disks.reflash()?;
        }
    }
    Ok(before)
}

/// `None`: the owner's key was refused, so there was no root shell to look with.
fn look(cx: &mut Context, before: &Before) -> Result<Option<After>> {
    let server = cx.machine.server()?;
    if !cx.owner_key_accepted(&server)? {
        return Ok(None);
    }
    let data = before.data.as_ref().map(|_| digest(cx)).transpose()?;
    let host_keys = host_keys(cx)?;
    let [records, file_system] = cx.exec([
        &format!("cat {RECORDS}"),
        "findmnt -no FSTYPE --mountpoint /persist",
    ])?;
    Ok(Some(After {
        data,
        host_keys,
        found: whole_records(&records.text),
        file_system: file_system.text,
    }))
}

fn digest(cx: &mut Context) -> Result<String> {
    cx.machine
        .succeed(&format!("sha256sum < {DATA}"))
        .with_context(|| format!("cannot read {DATA}"))
}

fn judge(before: &Before, after: Option<&After>) -> Vec<String> {
    let Some(after) = after else {
        return vec!["the owner's key is refused".to_string()];
    };
    let mut faults = Vec::new();
    if after.data != before.data {
        faults.push("other data".to_string());
    }
    let (then, now) = (&before.host_keys, &after.host_keys);
    if now.is_empty() || !then.is_empty() && now != then {
        faults.push(format!("other host keys: {now:?}, they were {then:?}"));
    }
    let (found, synced) = (after.found, before.synced);
    if found < synced {
        faults.push(format!("{found} of {synced} synced records are left"));
    }
    if after.file_system != "ext4" {
        faults.push(format!("/persist is {:?}", after.file_system));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::Case;

    fn good() -> (Before, After) {
        let host_keys = BTreeSet::from(["k1".to_string()]);
        let data = Some("d1".to_string());
        let before = Before {
            data: data.clone(),
            host_keys: host_keys.clone(),
            synced: 5,
        };
        let after = After {
            data,
            host_keys,
            found: 5,
            file_system: "ext4".to_string(),
        };
        (before, after)
    }

    #[test]
    fn an_unchanged_machine_has_no_faults() {
        let (before, after) = good();
        assert!(judge(&before, Some(&after)).is_empty());
    }

    #[test]
    fn a_fresh_stick_may_have_any_host_keys_but_some() {
        let (mut before, mut after) = good();
        (before.data, after.data) = (None, None);
        before.host_keys.clear();
        before.synced = 0;
        assert!(judge(&before, Some(&after)).is_empty());
        after.host_keys.clear();
        assert_eq!(
            judge(&before, Some(&after)),
            ["other host keys: {}, they were {}"]
        );
    }

    #[test]
    fn each_change_is_a_fault() {
        let (before, after) = good();
        assert_eq!(judge(&before, None), ["the owner's key is refused"]);
        let cases: [Case<After>; 4] = [
            (|after| after.data = Some("d2".to_string()), "other data"),
            (
                |after| after.host_keys = BTreeSet::from(["k2".to_string()]),
                "other host keys: {\"k2\"}, they were {\"k1\"}",
            ),
            (|after| after.found = 4, "4 of 5 synced records are left"),
            (
                |after| after.file_system = "tmpfs".to_string(),
                "/persist is \"tmpfs\"",
            ),
        ];
        for (change, fault) in cases {
            let mut after = after.clone();
            change(&mut after);
            assert_eq!(judge(&before, Some(&after)), [fault]);
        }
    }
}
