//! What is written to: a stick, or a plain file in its place. Whatever else it may be is refused.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};

use super::image::Image;
use super::system;

/// What the operating system says of a disk.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// The disk that this is a part of.
    pub part_of: Option<String>,
    /// Something else than a disk: what it is.
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
    /// Never to be written to, whatever is mounted.
    pub internal: bool,
    /// A line for each partition that is on it now.
    pub partitions: Vec<String>,
    /// What is mounted, and where; `[SWAP]` for swap.
    pub mounts: Vec<(String, String)>,
    /// Devices that are made of it: volumes, arrays, decrypted disks.
    pub holders: Vec<String>,
}

/// Where a system has what it runs on.
const OF_THE_SYSTEM: &[&str] = &["boot", "efi", "etc", "home", "nix", "persist", "usr", "var"];

fn is_of_the_system(mount: &str) -> bool {
    let mut parts = mount.split('/').skip(1);
    mount == "/"
        || mount == "[SWAP]"
        || parts.next().is_some_and(|top| OF_THE_SYSTEM.contains(&top))
}

impl Disk {
    /// Why it must not be written to, if so.
    pub fn objection(&self) -> Option<String> {
        if let Some(whole) = &self.part_of {
            return Some(format!("is a partition: give the whole disk, {whole}"));
        }
        if let Some(kind) = &self.other_kind {
            return Some(format!(
                "is no disk but of the kind {kind:?}: give the stick's device"
            ));
        }
        if let Some((part, mount)) = self.mounts.iter().find(|(_, at)| is_of_the_system(at)) {
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
                system::UNMOUNT
            ));
        }
        if let Some(holder) = self.holders.first() {
            return Some(format!("is in use by {holder}: stop that first"));
        }
        if self.read_only {
            return Some("is read-only: is there a switch on the stick? Some sticks that wear out stay so for ever".into());
        }
        if self.size == 0 {
            return Some("has no medium in it: plug the stick in again".into());
        }
        if self.sector != 512 {
            return Some(format!(
                "has sectors of {} bytes, the image is made for 512: take another stick",
                self.sector
            ));
        }
        None
    }
}

/// A disk or file that may be written to, open and, where it is a disk, claimed: nothing else can mount it.
pub struct Device {
    pub path: PathBuf,
    pub file: File,
    /// Bytes.
    pub size: u64,
    /// None for a plain file.
    pub disk: Option<Disk>,
}

impl Device {
    /// Opens what `path` names, through links.
    ///
    /// # Errors
    /// It is not there, or is no disk and no file, or is one that must not be written to.
    pub fn open(path: &Path, image: &Image) -> Result<Self> {
        let refuse = |why: String| Error::msg(format!("{} {why}", path.display()));
        let path = fs::canonicalize(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => refuse(format!(
                "does not exist: plug the stick in and look for its name ({})",
                system::LIST
            )),
            _ => refuse(format!("cannot be opened: {error}")),
        })?;
        let meta =
            fs::metadata(&path).with_context(|| format!("cannot look at {}", path.display()))?;
        let kind = meta.file_type();
        if kind.is_dir() {
            return Err(refuse("is a folder: give the stick's device".into()));
        }
        if !kind.is_file() && !kind.is_block_device() {
            return Err(refuse(
                "is neither a disk nor a file: give the stick's device".into(),
            ));
        }
        let disk = if kind.is_block_device() {
            let disk = system::ask(&path)?;
            if let Some(why) = disk.objection() {
                return Err(refuse(why));
            }
            Some(disk)
        } else {
            let source = fs::metadata(&image.path)?;
            if (source.dev(), source.ino()) == (meta.dev(), meta.ino()) {
                return Err(refuse(
                    "is the image itself: give the stick's device".into(),
                ));
            }
            if let Some(user) = system::user_of_file(&path) {
                return Err(refuse(format!("is in use as {user}: stop that first")));
            }
            // Root could write to it all the same, but somebody has said no.
            if meta.permissions().readonly() {
                return Err(refuse("is read-only: chmod u+w it, or give another".into()));
            }
            None
        };
        let size = disk.as_ref().map_or(meta.len(), |disk| disk.size);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(if disk.is_some() { system::EXCLUSIVE } else { 0 })
            .open(&path)
            .map_err(|error| refuse(cannot_open(&error)))?;
        Ok(Device {
            path,
            file,
            size,
            disk,
        })
    }

    /// Lines that tell its owner which one it is and what is on it.
    pub fn describe(&self) -> Vec<String> {
        let size = gigabytes(self.size);
        let Some(disk) = &self.disk else {
            return vec![format!("{}: a plain file, {size}", self.path.display())];
        };
        let serial = disk
            .serial
            .as_ref()
            .map(|serial| format!("serial {serial}"));
        let facts = [
            disk.model.clone(),
            serial,
            Some(size),
            disk.transport.clone(),
            Some("not mounted".into()),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        let mut lines = vec![format!("{}: {}", self.path.display(), facts.join(", "))];
        lines.extend(
            disk.partitions
                .iter()
                .map(|part| format!("  now on it: {part}")),
        );
        lines
    }
}

fn cannot_open(error: &std::io::Error) -> String {
    use nix::errno::Errno;
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES | Errno::EPERM) => {
            let program = std::env::current_exe().unwrap_or_default();
            format!(
                "cannot be written to by this user: run `sudo {} flash …`",
                program.display()
            )
        }
        Some(Errno::EBUSY) => {
            "is in use by another program or mounted elsewhere: stop that first".into()
        }
        Some(Errno::EROFS) => "is read-only: is there a switch on the stick?".into(),
        _ => format!("cannot be opened: {error}"),
    }
}

/// As the stick's wrapping says it.
pub fn gigabytes(bytes: u64) -> String {
    match bytes {
        0..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stick() -> Disk {
        Disk {
            size: 16_008_609_792,
            sector: 512,
            ..Disk::default()
        }
    }

    fn used(mount: &str) -> Option<String> {
        let mounts = vec![("/dev/sdb1".to_string(), mount.to_string())];
        Disk { mounts, ..stick() }.objection()
    }

    #[test]
    fn only_a_whole_unused_disk_will_do() {
        assert_eq!(stick().objection(), None);
        let bad = [
            (
                Disk {
                    part_of: Some("/dev/sdb".into()),
                    ..stick()
                },
                "the whole disk, /dev/sdb",
            ),
            (
                Disk {
                    other_kind: Some("rom".into()),
                    ..stick()
                },
                "kind \"rom\"",
            ),
            (
                Disk {
                    read_only: true,
                    ..stick()
                },
                "read-only",
            ),
            (
                Disk {
                    internal: true,
                    ..stick()
                },
                "inside this computer",
            ),
            (
                Disk {
                    sector: 4096,
                    ..stick()
                },
                "4096",
            ),
            (Disk { size: 0, ..stick() }, "no medium"),
            (
                Disk {
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
    fn a_disk_of_the_system_is_not_merely_in_use() {
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

    #[test]
    fn sizes_are_those_on_the_wrapping() {
        assert_eq!(gigabytes(16_008_609_792), "16.0 GB");
        assert_eq!(gigabytes(512_753_664), "512 MB");
    }
}
