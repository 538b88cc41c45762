//! The files of an update: what a machine needs to install the system of an image without being flashed.
//!
//! | file | content |
//! |---|---|
//! | `ollamalive_VERSION_UUID.verity` | the hashes of the store (dm-verity) |
//! | `ollamalive_VERSION_UUID.store` | the store's file system, without the unused rest of its partition |
//! | `ollamalive_VERSION.efi` | the UKI |
//!
//! UUID is the ID of the partition. The names are those that systemd-sysupdate looks for on the machine.

pub mod rehash;
mod slot;
mod uki;
mod verity;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use crate::digest::{BLOCK, DigestWriter, FileDigest};
use crate::flash::image::StickImage;
use crate::gpt::Extent;
use crate::monitor::{Monitor, Pass};
use crate::partial::partial;
use crate::split::Asset;
use crate::{esp, sums};

/// The stick layout that can be updated.
pub const LAYOUT: u32 = 2;
/// Digits of a version, which is a time: YYYYMMDDHHMMSS.
const DIGITS: usize = 14;

/// Describes an update: what `manifest.json` has under `update`, and a machine decides by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// The version of the system: 14 digits, the time of its commit in UTC. Machines update only to a higher one.
    pub version: String,
    pub layout_version: u32,
    /// The owner's settings that the system was built with: the entries of its os-release(5) that begin with `OLLAMALIVE_`.
    pub configuration: BTreeMap<String, String>,
    /// Hashes, store, UKI: in the order in which they are installed.
    pub files: Vec<Asset>,
}

impl Update {
    /// The store's file; None if the list lacks it.
    pub fn store(&self) -> Option<&Asset> {
        self.files
            .iter()
            .find(|asset| asset.file.ends_with(".store"))
    }
}

/// A file of an update, still in the image.
#[derive(Debug)]
pub struct UpdateFile {
    pub name: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// A part of the image.
    Extent(Extent),
    /// A file of the ESP.
    Bytes(Vec<u8>),
}

impl UpdateFile {
    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        match &self.source {
            Source::Extent(extent) => extent.length,
            Source::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

/// An image, and where the files of its update are.
#[derive(Debug)]
pub struct UpdateImage {
    path: PathBuf,
    pub version: String,
    pub layout_version: u32,
    pub configuration: BTreeMap<String, String>,
    /// In the order of [`Update::files`].
    pub files: Vec<UpdateFile>,
}

impl UpdateImage {
    /// Reads the raw image at `path`.
    ///
    /// # Errors
    /// The image is compressed, of another layout or incomplete; the message says which, and what to do.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let refuse = |why: String| Error::msg(format!("{shown} {why}"));
        let image = StickImage::open(path)?;
        if image.compressed {
            return Err(refuse(format!(
                "is compressed: decompress it with `zstd -d {shown}`, and give the raw image"
            )));
        }
        let layout = image.layout()?;
        if let Some(why) = other_layout(layout.version) {
            return Err(refuse(why));
        }
        let slot = slot::Slot::find(path, &layout).map_err(refuse)?;
        let (store, verity) = (
            slot::start(path, slot.store)?,
            slot::start(path, slot.verity)?,
        );
        let store = slot::store_extent(slot.store, &store).map_err(refuse)?;
        let verity = verity::extent(slot.verity, &verity, store.length).map_err(refuse)?;
        let uki_path = uki_path(&slot.version);
        let uki = esp::read(path, layout.esp, &uki_path)?
            .ok_or_else(|| refuse(format!("has no {uki_path} in its ESP: build it again")))?;
        let configuration = uki::os_release(&uki)
            .and_then(|text| uki::configuration(&text))
            .map_err(|why| refuse(format!("has a UKI, {uki_path}, that {why}: build it again")))?;
        let version = slot.version;
        let file = |rest: String, source| UpdateFile {
            name: format!("ollamalive_{version}{rest}"),
            source,
        };
        let files = vec![
            file(
                format!("_{}.verity", slot.verity_id),
                Source::Extent(verity),
            ),
            file(format!("_{}.store", slot.store_id), Source::Extent(store)),
            file(".efi".into(), Source::Bytes(uki)),
        ];
        Ok(UpdateImage {
            path: path.to_path_buf(),
            version,
            layout_version: layout.version,
            configuration,
            files,
        })
    }

    /// The length of all files together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(UpdateFile::bytes).sum()
    }

    /// The content of `file`.
    ///
    /// # Errors
    /// The image cannot be read.
    pub fn reader<'a>(&self, file: &'a UpdateFile) -> Result<Box<dyn Read + 'a>> {
        match &file.source {
            Source::Bytes(bytes) => Ok(Box::new(&bytes[..])),
            Source::Extent(extent) => {
                let mut image = File::open(&self.path)
                    .with_context(|| format!("cannot read {}", self.path.display()))?;
                image.seek(SeekFrom::Start(extent.offset))?;
                Ok(Box::new(image.take(extent.length)))
            }
        }
    }

    /// Reads all files, and describes the update with their digests.
    ///
    /// # Errors
    /// The image cannot be read, or `monitor` ends the operation.
    pub fn digest(&self, monitor: &dyn Monitor) -> Result<Update> {
        monitor.begin(Pass::Update, self.bytes());
        let mut assets = Vec::new();
        for file in &self.files {
            let digest = self.copy(file, &mut std::io::sink(), monitor)?;
            let file = file.name.clone();
            assets.push(Asset { file, digest });
        }
        monitor.end(Pass::Update);
        Ok(self.update(assets))
    }

    /// Writes the files into `folder`, and describes the update. They get their names once all are written.
    ///
    /// # Errors
    /// The image cannot be read, a file cannot be written, or `monitor` ends the operation; no file is left then.
    pub fn write(&self, folder: &Path, monitor: &dyn Monitor) -> Result<Update> {
        monitor.begin(Pass::Update, self.bytes());
        let mut written = Vec::new();
        for file in &self.files {
            let mut target = partial(folder)?;
            let digest = self.copy(file, &mut target, monitor)?;
            written.push((target, &file.name, digest));
        }
        let mut assets = Vec::new();
        for (target, file, digest) in written {
            let path = folder.join(file);
            let file = file.clone();
            target
                .persist(&path)
                .with_context(|| format!("cannot write {}", path.display()))?;
            assets.push(Asset { file, digest });
        }
        monitor.end(Pass::Update);
        Ok(self.update(assets))
    }

    fn update(&self, files: Vec<Asset>) -> Update {
        Update {
            version: self.version.clone(),
            layout_version: self.layout_version,
            configuration: self.configuration.clone(),
            files,
        }
    }

    /// Copies the content of `file`, and returns its digest.
    fn copy(
        &self,
        file: &UpdateFile,
        to: &mut dyn Write,
        monitor: &dyn Monitor,
    ) -> Result<FileDigest> {
        let mut reader = self.reader(file)?;
        let mut digest = DigestWriter::default();
        let mut block = vec![0; BLOCK];
        loop {
            monitor.check()?;
            let length = reader
                .read(&mut block)
                .with_context(|| format!("cannot read {}", self.path.display()))?;
            if length == 0 {
                break;
            }
            to.write_all(&block[..length])
                .with_context(|| format!("cannot write {}", file.name))?;
            digest.update(&block[..length]);
            monitor.advance(length as u64);
        }
        let digest = digest.finish();
        if digest.bytes != file.bytes() {
            return Err(Error::msg(format!(
                "{} is cut off within {}: build or download it again",
                self.path.display(),
                file.name
            )));
        }
        Ok(digest)
    }
}

/// The UKI of the system `version`, as a path in the ESP.
pub fn uki_path(version: &str) -> String {
    format!("EFI/Linux/ollamalive_{version}.efi")
}

/// Whether `text` is the version of a system.
pub fn is_version(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why no update can be made from an image of the layout `version`, as the rest of a sentence that begins with the image's name.
/// None if one can.
fn other_layout(version: u32) -> Option<String> {
    (version != LAYOUT).then(|| {
        format!("is an image of layout {version}, and updates need layout {LAYOUT}: flash it, or take a newer image")
    })
}

/// Why `update`, which may come from outside, is malformed: its version, the name of a file (which must not lead out of its folder)
/// or a digest. None if it is well-formed.
pub fn malformed(update: &Update) -> Option<String> {
    if !is_version(&update.version) {
        return Some(format!(
            "version {:?} is not {DIGITS} digits",
            update.version
        ));
    }
    let ends = [".verity", ".store", ".efi"];
    let names: Vec<&str> = update.files.iter().map(|asset| &asset.file[..]).collect();
    let prefix = format!("ollamalive_{}", update.version);
    let ours = names.len() == ends.len()
        && names.iter().zip(ends).all(|(name, end)| {
            name.starts_with(&prefix) && name.ends_with(end) && !name.contains(['/', '\\'])
        });
    if !ours {
        return Some(format!(
            "its files are not {prefix}…{}, but {}",
            ends.join(", …"),
            names.join(", ")
        ));
    }
    let wrong = |asset: &&Asset| sums::digest(&asset.digest.sha256).is_none();
    let wrong = update.files.iter().find(wrong)?;
    Some(format!("{} has no SHA-256", wrong.file))
}

#[cfg(test)]
mod tests;
