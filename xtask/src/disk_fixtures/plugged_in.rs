//! The disks that are plugged into a machine, and their state before it was switched on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use stick::digest::sha256_hex;
use stick::gpt;
use vm::{Disk, Machine};

use super::stick_image::{Emptied, StickImage};
use super::{DiskFixtures, DiskSetup, INTERNAL, MODELS, OTHER_STICK};

/// A stick, the disks beside it, and the fixtures to make others.
#[derive(Debug, Clone)]
pub struct PluggedDisks {
    fixtures: DiskFixtures,
    pub stick: StickImage,
    others: Vec<Disk>,
    /// The bytes in the place of the UUID of PERSIST's file system when the stick was plugged in, if it has a PERSIST.
    mark: Option<[u8; 16]>,
    /// The partition table of each other stick when it was plugged in; empty where it could not be read.
    tables: Vec<Vec<u8>>,
    /// The SHA-256 of the PC's own disk when it was plugged in, if there is one.
    internal: Option<String>,
    /// Holds the disks' files.
    folder: PathBuf,
}

/// The partition table of each other stick among `disks`; empty where it cannot be read.
fn tables(disks: &[Disk]) -> Vec<Vec<u8>> {
    disks
        .iter()
        .filter(|disk| disk.serial == OTHER_STICK)
        .map(|disk| gpt::raw(&disk.path).unwrap_or_default())
        .collect()
}

/// The SHA-256 of the PC's own disk, if it is among `disks`.
fn digest(disks: &[Disk]) -> Result<Option<String>> {
    let internal = disks.iter().find(|disk| disk.serial == INTERNAL);
    internal
        .map(|disk| Ok(sha256_hex(&fs::read(&disk.path)?)))
        .transpose()
}

impl PluggedDisks {
    /// Makes the disks of `setup` in `folder`, which is created if need be.
    pub fn make(fixtures: DiskFixtures, setup: DiskSetup, folder: &Path) -> Result<Self> {
        let (stick, others) = fixtures.make(setup, folder)?;
        Ok(PluggedDisks {
            mark: stick.mark(&fixtures.persist).ok(),
            tables: tables(&others),
            internal: digest(&others)?,
            fixtures,
            stick,
            others,
            folder: folder.to_path_buf(),
        })
    }

    /// The stick, which is booted from, and behind it `configuration` (the stand-in's, read-only) and the others.
    pub fn disks(&self, configuration: Option<&Path>) -> Vec<Disk> {
        let stick = Disk {
            read_only: self.stick.read_only,
            ..Disk::new(&self.stick.path, "stick")
        };
        let configuration = configuration.map(|path| Disk {
            read_only: true,
            ..Disk::new(path, "configuration")
        });
        [Some(stick), configuration]
            .into_iter()
            .flatten()
            .chain(self.others.iter().cloned())
            .collect()
    }

    /// Unplugs all disks of a machine that is switched off, and plugs in those of `setup`.
    ///
    /// # Errors
    /// The machine is switched on, or the disks cannot be made.
    pub fn swap(&mut self, machine: &mut Machine, setup: DiskSetup) -> Result<()> {
        machine.reconfigure(|_| ())?;
        let configuration = machine
            .disks()
            .iter()
            .find(|disk| disk.serial == "configuration")
            .map(|disk| disk.path.clone());
        let folder = self.folder.clone();
        *self = PluggedDisks::make(self.fixtures.clone(), setup, &folder)?;
        let disks = self.disks(configuration.as_deref());
        machine.reconfigure(|config| {
            config.disks = disks;
            config.cable = setup.cable();
            config.clock = setup.clock().to_string();
            config.watchdog = setup.watchdog();
        })
    }

    /// Writes the image over the start of the stick, as a flashing tool does.
    pub fn reflash(&self) -> Result<()> {
        self.stick.reflash(&self.fixtures.image)
    }

    /// The image on the stick.
    pub fn image(&self) -> &Path {
        &self.fixtures.image
    }

    /// As [`Self::reflash`], with both ends of the stick emptied before, as Windows' tools do.
    pub fn empty_and_reflash(&self) -> Result<Emptied> {
        let DiskFixtures { image, persist, .. } = &self.fixtures;
        self.stick.empty_and_reflash(image, persist)
    }

    /// How long a machine may take to load Ollama's image from its archive.
    pub fn ollama_loading(&self) -> Duration {
        self.fixtures.loading()
    }

    /// The name of the PERSIST partition.
    pub fn persist(&self) -> &str {
        &self.fixtures.persist
    }

    /// Whether PERSIST's file system is the one that was plugged in: a new one has another UUID, also in the place of noise.
    pub fn persist_is_unchanged(&self) -> bool {
        self.stick.mark(&self.fixtures.persist).ok() == self.mark
    }

    /// Whether the partition tables of the other sticks are unchanged; `None` where there is no other stick, or one could not
    /// be read when it was plugged in.
    pub fn other_tables_are_unchanged(&self) -> Option<bool> {
        let known = !self.tables.is_empty() && self.tables.iter().all(|table| !table.is_empty());
        known.then(|| tables(&self.others) == self.tables)
    }

    /// The SHA-256 of the PC's own disk when it was plugged in, if there is one.
    pub fn internal_digest(&self) -> Option<&str> {
        self.internal.as_deref()
    }

    /// Whether a models drive is plugged in.
    pub fn has_models_drive(&self) -> bool {
        self.others.iter().any(|disk| disk.serial == MODELS)
    }
}

/// Describes `disks` for a report: files, sizes, partitions.
pub fn describe(disks: &[Disk]) -> Value {
    let list = disks.iter().map(|disk| {
        let meta = fs::metadata(&disk.path).ok();
        json!({
            "name": disk.serial,
            "file": disk.path,
            "readOnly": disk.read_only,
            "bytes": meta.as_ref().map(fs::Metadata::len),
            // Holes do not count.
            "bytesOnHost": meta.as_ref().map(|meta| meta.blocks() * 512),
            "partitions": partitions(&disk.path),
        })
    });
    Value::Array(list.collect())
}

/// A disk's partitions, or why they cannot be read.
fn partitions(disk: &Path) -> Value {
    let table = match gpt::partitions(disk) {
        Ok(table) => table,
        Err(error) => return Value::String(format!("{error:#}")),
    };
    let list = table.iter().map(|(number, partition)| {
        let extent = gpt::Extent::from(partition);
        json!({
            "number": number,
            "name": partition.name,
            "id": partition.part_guid.to_string(),
            "offset": extent.offset,
            "bytes": extent.length,
        })
    });
    Value::Array(list.collect())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use stick::testing::test_image;

    #[test]
    fn partitions_are_listed_or_the_error_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let image = test_image(folder.path());
        let list = partitions(&image);
        let names: Vec<&str> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|partition| partition["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            ["ESP", "verity_1", "store_1", "_empty", "_empty", "PERSIST"]
        );
        assert_eq!(list[5]["bytes"], 16 << 20);
        let empty = folder.path().join("empty");
        File::create(&empty).unwrap().set_len(1 << 20).unwrap();
        assert!(partitions(&empty).as_str().unwrap().contains("GPT"));
    }
}
