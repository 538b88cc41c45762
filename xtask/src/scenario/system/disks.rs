//! `system.leaves-the-disks`

use anyhow::{Context as _, Result};

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
    let [disk, mounts, swaps, digest] = cx
        .exec([
            &format!("{find}; echo $disk"),
            &format!("{find}; grep ^/dev/$disk /proc/mounts | cut -d ' ' -f 1-2"),
            &format!("{find}; grep ^/dev/$disk /proc/swaps | cut -d ' ' -f 1"),
            // Written is what the disk has, not what is still in memory.
            &format!("{find}; sync; sha256sum < /dev/$disk | cut -d ' ' -f 1"),
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
    let kept = format!(
        "{}, with NTFS and swap partitions: not mounted, no swap taken, not a byte changed",
        facts.disk
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    #[test]
    fn an_internal_disk_is_left_alone() {
        let good = Facts {
            disk: "vdc".to_string(),
            mounts: String::new(),
            swaps: String::new(),
            digest: "ab".to_string(),
            digest_before: "ab".to_string(),
        };
        assert_kept(
            judge(&good),
            "vdc, with NTFS and swap partitions: not mounted, no swap taken, not a byte changed",
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
            ],
        );
    }
}
