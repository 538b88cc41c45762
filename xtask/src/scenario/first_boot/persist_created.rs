//! `persist.created-on-first-boot`

use anyhow::Result;
use stick::gpt::{ALIGNMENT, Extent};

use crate::scenario::{Context, Finding};

/// Path, mode and owner of PERSIST's folders.
const FOLDERS: &[&str] = &[
    "/persist/home 755 root",
    "/persist/docker 710 root",
    "/persist/network 700 root",
    "/persist/ssh 755 root",
];

#[derive(Debug, Clone)]
struct Facts {
    /// `SOURCE FSTYPE SIZE` of the mount at /persist; the size in bytes.
    mount: String,
    /// The device of PERSIST on the stick that the machine was started from.
    device: String,
    /// As [`FOLDERS`], one per line.
    folders: String,
    /// How often the journal says that the file system was made.
    formats: String,
    /// PERSIST in the partition table.
    partition: Extent,
    /// The stick's size in bytes.
    stick: u64,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let [mount, device, folders, formats] = cx
        .exec([
            "findmnt -bno SOURCE,FSTYPE,SIZE --mountpoint /persist",
            "readlink -f /dev/ollamalive/PERSIST",
            "stat -c '%n %a %U' /persist/home /persist/docker /persist/network /persist/ssh",
            "journalctl -b --no-pager -o cat -u persist | grep -c 'making its file system'",
        ])?
        .map(|output| output.text);
    Ok(Facts {
        mount,
        device,
        folders,
        formats,
        partition: cx.disks.stick.partition(cx.disks.persist())?,
        stick: std::fs::metadata(&cx.disks.stick.path)?.len(),
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    let partition = &facts.partition;
    match size_on(&facts.mount, &facts.device) {
        // ext4 keeps a part of the partition for its own tables.
        Some(size) if size < partition.length / 10 * 9 => faults.push(format!(
            "the file system has {size} of the partition's {} bytes",
            partition.length
        )),
        Some(_) => {}
        None => faults.push(format!(
            "/persist is {:?}, not ext4 on the stick's partition",
            facts.mount
        )),
    }
    let end = partition.offset + partition.length;
    if end + 2 * ALIGNMENT < facts.stick {
        faults.push(format!(
            "PERSIST ends at byte {end}, the stick at {}",
            facts.stick
        ));
    }
    let folders: Vec<&str> = facts.folders.lines().collect();
    if folders != FOLDERS {
        faults.push(format!("its folders are {}", folders.join(", ")));
    }
    if facts.formats != "1" {
        faults.push(format!("its file system was made {} times", facts.formats));
    }
    let kept = format!("{}, to the end of the stick", facts.mount);
    Finding::from_faults(&faults, kept)
}

/// The size of the file system in `mount`, if it is ext4 on `device`.
fn size_on(mount: &str, device: &str) -> Option<u64> {
    match mount.split_whitespace().collect::<Vec<_>>()[..] {
        [source, "ext4", size] if source == device => size.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use stick::units::MIB;

    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            mount: "/dev/vda3 ext4 104000000".to_string(),
            device: "/dev/vda3".to_string(),
            folders: FOLDERS.join("\n"),
            formats: "1".to_string(),
            partition: Extent {
                offset: 50 * MIB,
                length: 100 * MIB,
            },
            stick: 151 * MIB,
        }
    }

    #[test]
    fn kept_when_persist_fills_the_stick() {
        assert_kept(
            judge(&good()),
            "/dev/vda3 ext4 104000000, to the end of the stick",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.mount = "/dev/vda3 ext4 50000000".to_string(),
                    "the file system has 50000000 of the partition's 104857600 bytes",
                ),
                (
                    |facts| facts.mount = "tmpfs tmpfs 104000000".to_string(),
                    "/persist is \"tmpfs tmpfs 104000000\", not ext4 on the stick's partition",
                ),
                (
                    |facts| facts.device = "/dev/vdb3".to_string(),
                    "/persist is \"/dev/vda3 ext4 104000000\", not ext4 on the stick's partition",
                ),
                (
                    |facts| facts.stick = 200 * MIB,
                    "PERSIST ends at byte 157286400, the stick at 209715200",
                ),
                (
                    |facts| facts.folders = "/persist/network 777 root".to_string(),
                    "its folders are /persist/network 777 root",
                ),
                (
                    |facts| facts.formats = "2".to_string(),
                    "its file system was made 2 times",
                ),
            ],
        );
    }
}
