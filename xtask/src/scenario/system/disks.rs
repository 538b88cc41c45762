//! `system.leaves-the-disks`

use anyhow::{Context as _, Result};

use super::boot_entries::{self, BootEntry};
use crate::disk_fixtures::INTERNAL;
use crate::scenario::{Context, Finding, one_line};

#[derive(Debug, Clone)]
struct Facts {
    /// The disk's name in the kernel, such as `vdc`.
    disk: String,
    /// `SOURCE TARGET` of the mounts of its partitions.
    mounts: String,
    /// Its partitions that are used as swap space.
    swaps: String,
    digest: String,
    /// What was plugged in.
    digest_before: String,
    /// The firmware's; `None` where the machine was not started by UEFI.
    boot_entries: Option<Vec<BootEntry>>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let digest_before = cx
        .disks
        .internal_digest()
        .context("no internal disk is plugged in")?
        .to_string();
    let find = format!("disk=$(basename $(dirname $(grep -lx {INTERNAL} /sys/block/*/serial)))");
    let [disk, mounts, swaps, digest, variables] = cx
        .exec([
            &format!("{find}; echo $disk"),
            &format!("{find}; grep ^/dev/$disk /proc/mounts | cut -d ' ' -f 1-2"),
            &format!("{find}; grep ^/dev/$disk /proc/swaps | cut -d ' ' -f 1"),
            // Written is what the disk has, not what is still in memory.
            &format!("{find}; sync; sha256sum < /dev/$disk | cut -d ' ' -f 1"),
            boot_entries::LIST,
        ])?
        .map(|output| output.text.trim().to_string());
    anyhow::ensure!(
        !disk.is_empty(),
        "the machine does not see its internal disk"
    );
    Ok(Facts {
        disk,
        mounts,
        swaps,
        digest,
        digest_before,
        boot_entries: boot_entries::parse(&variables)?,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    if !facts.mounts.is_empty() {
        faults.push(format!(
            "the internal disk is mounted: {}",
            one_line(&facts.mounts)
        ));
    }
    if !facts.swaps.is_empty() {
        faults.push(format!(
            "the internal disk is used as swap: {}",
            one_line(&facts.swaps)
        ));
    }
    if facts.digest != facts.digest_before {
        faults.push(format!(
            "the content of the internal disk {} has changed",
            facts.disk
        ));
    }
    // The firmware's own entries name devices. An entry for a file on a partition is an operating system's.
    let own = facts.boot_entries.iter().flatten();
    for BootEntry { name, file } in own {
        if let Some(file) = file {
            faults.push(format!("the firmware has a boot entry {name:?} for {file}"));
        }
    }
    let entries = match &facts.boot_entries {
        Some(entries) => format!("no boot entry added to the firmware's {}", entries.len()),
        None => "not started by UEFI".to_string(),
    };
    let kept = format!(
        "{}, with NTFS and swap partitions: not mounted, no swap taken, not a byte changed; {entries}",
        facts.disk
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn entry(name: &str, file: Option<&str>) -> BootEntry {
        BootEntry {
            name: name.to_string(),
            file: file.map(str::to_string),
        }
    }

    #[test]
    fn an_internal_disk_is_left_alone() {
        let good = Facts {
            disk: "vdc".to_string(),
            mounts: String::new(),
            swaps: String::new(),
            digest: "ab".to_string(),
            digest_before: "ab".to_string(),
            boot_entries: Some(vec![entry("UEFI Misc Device", None)]),
        };
        assert_kept(
            judge(&good),
            "vdc, with NTFS and swap partitions: not mounted, no swap taken, not a byte changed; no boot entry added to the firmware's 1",
        );
        assert_kept(
            judge(&Facts {
                boot_entries: None,
                ..good.clone()
            }),
            "vdc, with NTFS and swap partitions: not mounted, no swap taken, not a byte changed; not started by UEFI",
        );
        assert_each_breaks(
            &good,
            judge,
            &[
                (
                    |facts| facts.mounts = "/dev/vdc1 /mnt/windows".to_string(),
                    "the internal disk is mounted: /dev/vdc1 /mnt/windows",
                ),
                (
                    |facts| facts.swaps = "/dev/vdc2".to_string(),
                    "the internal disk is used as swap: /dev/vdc2",
                ),
                (
                    |facts| facts.digest = "cd".to_string(),
                    "the content of the internal disk vdc has changed",
                ),
                (
                    |facts| facts.boot_entries = Some(vec![entry("Linux", Some("\\efi\\x"))]),
                    "the firmware has a boot entry \"Linux\" for \\efi\\x",
                ),
            ],
        );
    }
}
