//! Sticks and drives: the files behind the machine's disks.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gpt::disk::LogicalBlockSize;
use gpt::partition::Partition;

use crate::process;

/// A stick that holds the largest image with room for PERSIST. The file is sparse.
pub const STICK_BYTES: u64 = 8 << 30;
/// Partitions start at whole MiB.
const ALIGNMENT: u64 = 1 << 20;
const SECTOR: u64 = 512;
/// The backup GPT: one header and 32 sectors of entries (UEFI 2.10, 5.3).
const BACKUP_SECTORS: u64 = 33;
/// Copying an image and making a file system; slow disks get minutes.
const COPY_DEADLINE: Duration = Duration::from_secs(300);

/// A partition's place on a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub offset: u64,
    pub length: u64,
}

/// A USB stick: a raw, sparse file.
#[derive(Debug, Clone)]
pub struct Stick {
    pub path: PathBuf,
}

impl Stick {
    /// A stick of `bytes` with the image written to its start.
    pub fn flash(image: &Path, path: &Path, bytes: u64) -> Result<Self> {
        let mut copy = Command::new("cp");
        copy.args(["--reflink=auto", "--sparse=always", "--"])
            .arg(image)
            .arg(path);
        process::run(copy, "copying the image to a stick", COPY_DEADLINE)?;
        let file = OpenOptions::new().write(true).open(path)?;
        let length = file.metadata()?.len();
        if length > bytes {
            bail!("the image ({length} bytes) does not fit a stick of {bytes} bytes");
        }
        // A store's files are read-only, and so is their copy.
        let mut permissions = file.metadata()?.permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
        file.set_permissions(permissions)?;
        file.set_len(bytes)
            .with_context(|| format!("cannot size {}", path.display()))?;
        Ok(Stick {
            path: path.to_path_buf(),
        })
    }

    /// Where the partition called `name` is, by the primary GPT.
    pub fn partition(&self, name: &str) -> Result<Extent> {
        partition(&self.path, name)
    }

    /// What the machine's first boot would do: PERSIST's entry reaches to the end of the stick, and the backup GPT is
    /// where it belongs.
    pub fn grow_persist(&self, name: &str) -> Result<Extent> {
        self.rewrite_table(|partitions, last_sector| {
            let persist = partitions
                .values_mut()
                .find(|partition| partition.name == name)
                .with_context(|| format!("no partition called {name}"))?;
            persist.last_lba = last_sector;
            Ok(extent(persist))
        })
        .with_context(|| format!("cannot grow {name} on {}", self.path.display()))
    }

    /// Takes PERSIST out of the table and shortens the stick, so that there is no room to make it again.
    pub fn drop_persist(&self, name: &str) -> Result<()> {
        let Extent { offset, .. } = self.partition(name)?;
        OpenOptions::new()
            .write(true)
            .open(&self.path)?
            .set_len(offset + ALIGNMENT)?;
        self.rewrite_table(|partitions, _| {
            partitions.retain(|_, partition| partition.name != name);
            Ok(())
        })
        .with_context(|| format!("cannot drop {name} from {}", self.path.display()))
    }

    /// Writes the table anew, primary and backup, for the size that the stick has. `change` gets the entries and the
    /// last sector that a partition may reach.
    fn rewrite_table<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<u32, Partition>, u64) -> Result<T>,
    ) -> Result<T> {
        let length = fs::metadata(&self.path)?.len();
        let old = gpt::GptConfig::new()
            .logical_block_size(LogicalBlockSize::Lb512)
            .open(&self.path)?;
        let guid = *old.guid();
        let mut partitions = old.partitions().clone();
        drop(old);
        let alignment = ALIGNMENT / SECTOR;
        let last_sector = (length / SECTOR - BACKUP_SECTORS) / alignment * alignment - 1;
        let result = change(&mut partitions, last_sector)?;
        let mut new = gpt::GptConfig::new()
            .writable(true)
            .logical_block_size(LogicalBlockSize::Lb512)
            .create_from_device(
                OpenOptions::new().read(true).write(true).open(&self.path)?,
                Some(guid),
            )?;
        new.update_partitions(partitions)?;
        new.write()?;
        Ok(result)
    }

    /// Makes PERSIST's file system with the files under `content` in it.
    pub fn format_persist(&self, name: &str, content: &Path) -> Result<()> {
        let Extent { offset, length } = self.grow_persist(name)?;
        let mut make = Command::new("mke2fs");
        make.args(["-q", "-F", "-t", "ext4", "-L", name, "-E"])
            .arg(format!(
                "offset={offset},root_owner=0:0,lazy_itable_init=1,nodiscard"
            ))
            .arg("-d")
            .arg(content)
            .arg(&self.path)
            .arg(format!("{}k", length / 1024));
        process::run(make, "making the PERSIST file system", COPY_DEADLINE).map(drop)
    }
}

fn extent(partition: &Partition) -> Extent {
    Extent {
        offset: partition.first_lba * SECTOR,
        length: (partition.last_lba - partition.first_lba + 1) * SECTOR,
    }
}

/// Where the partition called `name` is in the disk or image at `path`.
///
/// # Errors
/// No GPT, or no such partition.
pub fn partition(path: &Path, name: &str) -> Result<Extent> {
    let disk = gpt::GptConfig::new()
        .logical_block_size(LogicalBlockSize::Lb512)
        .open(path)
        .with_context(|| format!("{} has no partition table (GPT)", path.display()))?;
    disk.partitions()
        .values()
        .find(|partition| partition.name == name)
        .map(extent)
        .with_context(|| format!("{} has no partition called {name}", path.display()))
}

/// A Windows drive for the models: `id` is `LABEL=…` or `UUID=…`, as in the configuration.
///
/// # Errors
/// `id` has another form, or mkntfs fails.
pub fn models_drive(path: &Path, id: &str) -> Result<()> {
    const BYTES: u64 = 256 << 20;
    /// The NTFS boot sector keeps the volume's serial number here, little-endian; its mirror is the last sector.
    const SERIAL: u64 = 0x48;
    let file = fs::File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    file.set_len(BYTES)?;
    let (kind, value) = id
        .split_once('=')
        .with_context(|| format!("models drive {id}: not LABEL=… or UUID=…"))?;
    let mut make = Command::new("mkntfs");
    make.args(["--quick", "--force", "--quiet"]);
    if kind == "LABEL" {
        make.args(["--label", value]);
    }
    make.arg(path);
    process::run(make, "making the models drive", COPY_DEADLINE)?;
    if kind == "UUID" {
        let serial = u64::from_str_radix(value, 16)
            .with_context(|| format!("models drive {id}: not 16 hex digits"))?;
        let file = OpenOptions::new().write(true).open(path)?;
        for sector in [0, BYTES - SECTOR] {
            std::os::unix::fs::FileExt::write_all_at(
                &file,
                &serial.to_le_bytes(),
                sector + SERIAL,
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image as both guests make it: the table lists PERSIST, the file ends before it.
    fn image(folder: &Path) -> PathBuf {
        let path = folder.join("image");
        fs::File::create(&path).unwrap().set_len(24 << 20).unwrap();
        let mut disk = gpt::GptConfig::new().writable(true).create(&path).unwrap();
        for (name, mib) in [("STORE", 4), ("PERSIST", 16)] {
            disk.add_partition(
                name,
                mib << 20,
                gpt::partition_types::LINUX_FS,
                0,
                Some(2048),
            )
            .unwrap();
        }
        disk.write().unwrap();
        let persist = partition(&path, "PERSIST").unwrap();
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(persist.offset)
            .unwrap();
        path
    }

    #[test]
    fn persist_grows_to_the_end_and_stays_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path());
        let stick = Stick::flash(&image, &folder.path().join("stick"), 64 << 20).unwrap();
        let before = stick.partition("PERSIST").unwrap();
        let after = stick.grow_persist("PERSIST").unwrap();
        assert_eq!(before.offset, after.offset);
        assert_eq!(before.length, 16 << 20);
        assert_eq!(after.offset + after.length, 63 << 20);
        assert_eq!(stick.partition("PERSIST").unwrap(), after);
        assert_eq!(
            stick.partition("STORE").unwrap(),
            partition(&image, "STORE").unwrap()
        );
    }

    #[test]
    fn without_persist_there_is_no_room_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path());
        let stick = Stick::flash(&image, &folder.path().join("stick"), 64 << 20).unwrap();
        stick.drop_persist("PERSIST").unwrap();
        assert!(stick.partition("PERSIST").is_err());
        assert_eq!(
            stick.partition("STORE").unwrap(),
            partition(&image, "STORE").unwrap()
        );
        assert_eq!(
            fs::metadata(&stick.path).unwrap().len(),
            fs::metadata(&image).unwrap().len() + ALIGNMENT
        );
    }

    #[test]
    fn a_stick_that_is_too_small_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path());
        assert!(Stick::flash(&image, &folder.path().join("stick"), 1 << 20).is_err());
    }

    #[test]
    fn a_missing_partition_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = partition(&image(folder.path()), "OTHER").unwrap_err();
        assert!(
            error.to_string().ends_with("has no partition called OTHER"),
            "{error}"
        );
    }
}
