//! The partition table (GPT) of a disk or of an image.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result};
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
pub use gpt::partition_types::{self, Type};
use uuid::Uuid;

pub const SECTOR: u64 = 512;
/// Partitions start at whole MiB.
pub const ALIGNMENT: u64 = 1 << 20;
/// The backup GPT: one header and 32 sectors of entries (UEFI 2.10, 5.3).
const BACKUP_SECTORS: u64 = 33;

/// A partition's place on a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub offset: u64,
    pub length: u64,
}

impl From<&Partition> for Extent {
    fn from(partition: &Partition) -> Self {
        Extent {
            offset: partition.first_lba * SECTOR,
            length: (partition.last_lba - partition.first_lba + 1) * SECTOR,
        }
    }
}

/// The partitions by number.
///
/// # Errors
/// No GPT.
pub fn partitions(path: &Path) -> Result<BTreeMap<u32, Partition>> {
    Ok(open(path)?.partitions().clone())
}

/// The entries of the GPT on `disk`, or of its backup when the first is damaged; None without a GPT.
pub fn read(disk: impl Read + Write + Seek + std::fmt::Debug) -> Option<BTreeMap<u32, Partition>> {
    let disk = gpt::GptConfig::new()
        .logical_block_size(LogicalBlockSize::Lb512)
        .open_from_device(disk)
        .ok()?;
    Some(disk.partitions().clone())
}

/// The places of the partitions called `name`, which need not be unique.
pub fn named<'a>(
    partitions: &'a BTreeMap<u32, Partition>,
    name: &'a str,
) -> impl Iterator<Item = Extent> + 'a {
    partitions
        .values()
        .filter(move |partition| partition.name == name)
        .filter_map(extent)
}

/// The place of `partition`; `None` if the entry's bounds are invalid.
pub fn extent(partition: &Partition) -> Option<Extent> {
    let sane =
        partition.first_lba <= partition.last_lba && partition.last_lba < u64::MAX / SECTOR - 1;
    sane.then(|| Extent::from(partition))
}

/// The GUID of the whole table.
///
/// # Errors
/// No GPT.
pub fn disk_id(path: &Path) -> Result<Uuid> {
    Ok(*open(path)?.guid())
}

fn open(path: &Path) -> Result<gpt::GptDisk<File>> {
    gpt::GptConfig::new()
        .logical_block_size(LogicalBlockSize::Lb512)
        .open(path)
        .with_context(|| format!("{} has no partition table (GPT)", path.display()))
}

fn entry(path: &Path, name: &str) -> Result<Partition> {
    partitions(path)?
        .into_values()
        .find(|partition| partition.name == name)
        .with_context(|| format!("{} has no partition called {name}", path.display()))
}

/// The place of the partition called `name` in the disk or image at `path`.
///
/// # Errors
/// No GPT, or no such partition.
pub fn partition(path: &Path, name: &str) -> Result<Extent> {
    entry(path, name).map(|partition| Extent::from(&partition))
}

/// The id (PARTUUID) of the partition called `name`.
///
/// # Errors
/// As for [`partition`].
pub fn partition_id(path: &Path, name: &str) -> Result<Uuid> {
    entry(path, name).map(|partition| partition.part_guid)
}

/// The bytes of the primary table: the protective MBR, a header, and 32 sectors of entries.
///
/// # Errors
/// The disk is shorter than that, or cannot be read.
pub fn raw(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = vec![0; ((1 + 1 + 32) * SECTOR) as usize];
    File::open(path)?
        .read_exact(&mut bytes)
        .with_context(|| format!("cannot read a partition table from {}", path.display()))?;
    Ok(bytes)
}

/// Gives the partition called `name` another id (PARTUUID).
///
/// # Errors
/// As for [`grow`].
pub fn set_partition_id(path: &Path, name: &str, id: Uuid) -> Result<()> {
    rewrite(path, |partitions, _| {
        find_mut(partitions, name)?.part_guid = id;
        Ok(())
    })
}

/// Calls the partition `name` something else.
///
/// # Errors
/// As for [`grow`].
pub fn rename(path: &Path, name: &str, new: &str) -> Result<()> {
    rewrite(path, |partitions, _| {
        find_mut(partitions, name)?.name = new.to_string();
        Ok(())
    })
    .with_context(|| format!("cannot rename {name} on {}", path.display()))
}

/// Grows the last partition, called `name`, to the end of the disk and moves the backup table there, as a first boot does.
/// The caller has to know that it is the last: an overlap is not checked. For image files; a block device has no length here.
///
/// # Errors
/// As for [`partition`], or the disk cannot be written.
pub fn grow(path: &Path, name: &str) -> Result<Extent> {
    rewrite(path, |partitions, last_sector| {
        let partition = find_mut(partitions, name)?;
        partition.last_lba = last_sector;
        Ok(Extent::from(&*partition))
    })
    .with_context(|| format!("cannot grow {name} on {}", path.display()))
}

/// Resizes the last partition, called `name`, to `length` bytes. See [`grow`].
///
/// # Errors
/// As for [`grow`].
pub fn resize(path: &Path, name: &str, length: u64) -> Result<Extent> {
    rewrite(path, |partitions, _| {
        let partition = find_mut(partitions, name)?;
        partition.last_lba = partition.first_lba + length / SECTOR - 1;
        Ok(Extent::from(&*partition))
    })
    .with_context(|| format!("cannot resize {name} on {}", path.display()))
}

fn find_mut<'a>(
    partitions: &'a mut BTreeMap<u32, Partition>,
    name: &str,
) -> Result<&'a mut Partition> {
    partitions
        .values_mut()
        .find(|partition| partition.name == name)
        .with_context(|| format!("no partition called {name}"))
}

/// Rewrites the table, primary and backup, for the present size of the disk. `change` gets the entries and the last
/// sector that a partition may reach.
fn rewrite<T>(
    path: &Path,
    change: impl FnOnce(&mut BTreeMap<u32, Partition>, u64) -> Result<T>,
) -> Result<T> {
    let length = fs::metadata(path)?.len();
    let old = open(path)?;
    let guid = *old.guid();
    let mut partitions = old.partitions().clone();
    drop(old);
    let alignment = ALIGNMENT / SECTOR;
    let last_sector = (length / SECTOR - BACKUP_SECTORS) / alignment * alignment - 1;
    let result = change(&mut partitions, last_sector)?;
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    write(&mut file, Some(guid), partitions)?;
    Ok(result)
}

/// Writes header and entries, primary and backup, for a disk as long as `file`.
fn write(
    file: &mut File,
    disk_id: Option<Uuid>,
    partitions: BTreeMap<u32, Partition>,
) -> Result<()> {
    let mut disk = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(file, disk_id)?;
    disk.update_partitions(partitions)?;
    disk.write()?;
    Ok(())
}

/// A partition for [`create`].
#[derive(Debug, Clone)]
pub struct NewPartition<'a> {
    pub name: &'a str,
    pub extent: Extent,
    pub kind: Type,
}

/// Writes a table with `partitions`, numbered from 1, for a disk as long as `file`. Partitions may start or end behind the
/// end of the file: Linux accepts that once the file is on a longer disk. It would not accept a backup table there.
///
/// # Errors
/// The file cannot be written, or is too short for a table.
pub fn create(file: &mut File, disk_id: Option<Uuid>, partitions: &[NewPartition]) -> Result<()> {
    let sectors =
        u32::try_from(file.metadata()?.len() / SECTOR - 1).context("the image is too large")?;
    ProtectiveMBR::with_lb_size(sectors).overwrite_lba0(file)?;
    let entry = |new: &NewPartition| Partition {
        part_type_guid: new.kind.clone(),
        part_guid: Uuid::new_v4(),
        first_lba: new.extent.offset / SECTOR,
        last_lba: (new.extent.offset + new.extent.length) / SECTOR - 1,
        flags: 0,
        name: new.name.to_string(),
    };
    let entries = (1..).zip(partitions.iter().map(entry)).collect();
    write(file, disk_id, entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_image;

    #[test]
    fn a_missing_partition_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = partition(&test_image(folder.path()), "OTHER").unwrap_err();
        assert!(
            error.to_string().ends_with("has no partition called OTHER"),
            "{error}"
        );
    }

    #[test]
    fn a_new_name_changes_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let image = test_image(folder.path());
        let mut expected = partitions(&image).unwrap();
        rename(&image, "store_1", "store_2").unwrap();
        expected.get_mut(&3).unwrap().name = "store_2".into();
        assert_eq!(partitions(&image).unwrap(), expected);
        assert!(rename(&image, "store_1", "store_2").is_err());
    }

    #[test]
    fn a_new_partition_id_changes_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let image = test_image(folder.path());
        let disk = folder.path().join("disk");
        fs::copy(&image, &disk).unwrap();
        fs::File::options()
            .write(true)
            .open(&disk)
            .unwrap()
            .set_len(80 << 20)
            .unwrap();
        let id = Uuid::from_u128(7);
        set_partition_id(&disk, "ESP", id).unwrap();
        assert_eq!(partition_id(&disk, "ESP").unwrap(), id);
        assert_eq!(
            partition(&disk, "ESP").unwrap(),
            partition(&image, "ESP").unwrap()
        );
        assert_ne!(partition_id(&image, "ESP").unwrap(), id);
    }
}
