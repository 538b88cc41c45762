//! `persist.mounted`

use anyhow::Result;

use crate::scenario::{Context, Finding};

#[derive(Debug, Clone)]
struct Facts {
    /// `SOURCE FSTYPE` of the mount at /persist; empty without one.
    mount: String,
    /// The device of the partition called PERSIST.
    partition: String,
    /// A file's content after it was written there: `kept`, or an error message.
    written: String,
    /// The login banner's notice about PERSIST.
    notice: Option<String>,
    /// Bytes of the file system and of its partition.
    sizes: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    // Units that run at the end of the boot may change it.
    cx.machine.settle()?;
    let [mount, partition, written, notice, sizes] = cx.exec([
        "findmnt -no SOURCE,FSTYPE --mountpoint /persist",
        "readlink -f /dev/disk/by-partlabel/PERSIST",
        "echo kept > /persist/.probe && cat /persist/.probe && rm /persist/.probe",
        "cat /run/ollamalive/notices/persist",
        "echo $(findmnt -bno SIZE --mountpoint /persist) $(lsblk -bno SIZE /dev/ollamalive/PERSIST)",
    ])?;
    Ok(Facts {
        mount: mount.text,
        partition: partition.text,
        written: written.text,
        notice: notice.ok().then_some(notice.text),
        sizes: sizes.text,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    let mount: Vec<&str> = facts.mount.split_whitespace().collect();
    match mount[..] {
        [source, "ext4"] if source == facts.partition => {}
        [] => faults.push("nothing is mounted at /persist".to_string()),
        _ => faults.push(format!(
            "/persist is {}, not ext4 on {}",
            facts.mount, facts.partition
        )),
    }
    if facts.written != "kept" {
        faults.push(format!("/persist is not writable: {}", facts.written));
    }
    if let Some(notice) = &facts.notice {
        faults.push(format!("the login banner warns: {notice}"));
    }
    let sizes: Vec<u64> = facts.sizes.split(' ').flat_map(str::parse).collect();
    match sizes[..] {
        // ext4 keeps a part of the partition for its own tables.
        [size, partition] if size >= partition / 10 * 9 => {}
        _ => faults.push(format!(
            "the file system did not grow with its partition (bytes of both: {})",
            facts.sizes
        )),
    }
    Finding::from_faults(&faults, format!("{} is PERSIST", facts.mount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            mount: "/dev/vda3 ext4".to_string(),
            partition: "/dev/vda3".to_string(),
            written: "kept".to_string(),
            notice: None,
            sizes: "95 100".to_string(),
        }
    }

    #[test]
    fn kept_when_the_partition_is_mounted_and_writable() {
        assert_kept(judge(&good()), "/dev/vda3 ext4 is PERSIST");
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.mount = String::new(),
                    "nothing is mounted at /persist",
                ),
                (
                    |facts| facts.mount = "tmpfs tmpfs".to_string(),
                    "/persist is tmpfs tmpfs, not ext4 on /dev/vda3",
                ),
                (
                    |facts| facts.mount = "/dev/vdb1 ext4".to_string(),
                    "/persist is /dev/vdb1 ext4, not ext4 on /dev/vda3",
                ),
                (
                    |facts| facts.written = "Read-only file system".to_string(),
                    "/persist is not writable: Read-only file system",
                ),
                (
                    |facts| facts.sizes = "89 100".to_string(),
                    "the file system did not grow with its partition (bytes of both: 89 100)",
                ),
                (
                    |facts| facts.sizes = "100".to_string(),
                    "the file system did not grow with its partition (bytes of both: 100)",
                ),
                (
                    |facts| facts.notice = Some("PERSIST is full".to_string()),
                    "the login banner warns: PERSIST is full",
                ),
            ],
        );
    }
}
