//! A disk, and the reasons not to write to it.

const UNMOUNT: &str = if cfg!(target_os = "macos") {
    "diskutil unmount"
} else {
    "umount"
};

/// A disk as the operating system describes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DiskInfo {
    /// The disk that this is a part of.
    pub part_of: Option<String>,
    /// The type of a device that is neither a disk nor a partition, such as `rom`.
    pub other_kind: Option<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
    /// `usb`, `nvme`, …
    pub transport: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Bytes of a logical sector.
    pub sector: u64,
    pub read_only: bool,
    /// Built into this computer: never written to, mounted or not.
    pub internal: bool,
    /// A line for each partition that is on it now.
    pub partitions: Vec<String>,
    /// Mounted devices and their mount points; `[SWAP]` for swap.
    pub mounts: Vec<(String, String)>,
    /// Devices that are made of it: volumes, arrays, decrypted disks.
    pub holders: Vec<String>,
}

/// Top folders that belong to the running system.
const SYSTEM_FOLDERS: &[&str] = &["boot", "efi", "etc", "home", "nix", "persist", "usr", "var"];

fn is_system_mount(mount: &str) -> bool {
    let mut parts = mount.split('/').skip(1);
    mount == "/"
        || mount == "[SWAP]"
        || parts
            .next()
            .is_some_and(|top| SYSTEM_FOLDERS.contains(&top))
}

impl DiskInfo {
    /// Why it must not be written to, phrased to follow its name; `None` if it may be.
    pub fn objection(&self) -> Option<String> {
        if let Some(whole) = &self.part_of {
            return Some(format!("is a partition: give the whole disk, {whole}"));
        }
        if let Some(kind) = &self.other_kind {
            return Some(format!(
                "is a {kind:?} device, not a disk: give the stick's device"
            ));
        }
        if let Some((part, mount)) = self.mounts.iter().find(|(_, at)| is_system_mount(at)) {
            return Some(format!(
                "is a disk of this computer's system ({part} is used as {mount}) and is never written to: give the stick's device"
            ));
        }
        if self.internal {
            return Some(
                "is inside this computer and is never written to: give the stick's device".into(),
            );
        }
        if let Some((part, mount)) = self.mounts.first() {
            return Some(format!(
                "is in use: {part} is mounted at {mount}: unmount it first ({} {part})",
                UNMOUNT
            ));
        }
        if let Some(holder) = self.holders.first() {
            return Some(format!("is in use by {holder}: release it first"));
        }
        if self.read_only {
            return Some("is read-only: look for a switch on the stick; some sticks stay read-only once they are worn out".into());
        }
        if self.size == 0 {
            return Some("has no medium in it: plug the stick in again".into());
        }
        if self.sector != 512 {
            return Some(format!(
                "has sectors of {} bytes, the image needs 512: take another stick",
                self.sector
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stick() -> DiskInfo {
        DiskInfo {
            size: 16_008_609_792,
            sector: 512,
            ..DiskInfo::default()
        }
    }

    fn used(mount: &str) -> Option<String> {
        let mounts = vec![("/dev/sdb1".to_string(), mount.to_string())];
        DiskInfo { mounts, ..stick() }.objection()
    }

    #[test]
    fn only_a_whole_unused_disk_may_be_written_to() {
        assert_eq!(stick().objection(), None);
        let bad = [
            (
                DiskInfo {
                    part_of: Some("/dev/sdb".into()),
                    ..stick()
                },
                "the whole disk, /dev/sdb",
            ),
            (
                DiskInfo {
                    other_kind: Some("rom".into()),
                    ..stick()
                },
                "is a \"rom\" device, not a disk",
            ),
            (
                DiskInfo {
                    read_only: true,
                    ..stick()
                },
                "read-only",
            ),
            (
                DiskInfo {
                    internal: true,
                    ..stick()
                },
                "inside this computer",
            ),
            (
                DiskInfo {
                    sector: 4096,
                    ..stick()
                },
                "4096",
            ),
            (DiskInfo { size: 0, ..stick() }, "no medium"),
            (
                DiskInfo {
                    holders: vec!["/dev/mapper/vg".into()],
                    ..stick()
                },
                "/dev/mapper/vg",
            ),
        ];
        for (disk, words) in bad {
            let why = disk.objection().unwrap();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn a_disk_of_the_system_is_refused_as_such() {
        for mount in ["/", "/boot/efi", "/nix/store", "[SWAP]", "/home"] {
            assert!(
                used(mount).unwrap().contains("this computer's system"),
                "{mount}"
            );
        }
        for mount in ["/media/me/ESP", "/mnt", "/homes"] {
            let why = used(mount).unwrap();
            assert!(
                why.contains("unmount it first") && why.contains(mount),
                "{why}"
            );
        }
    }
}
