//! Whether a release that was downloaded is the one that was made.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use zstd::stream::read::Decoder;

use super::hash::{self, Aside, BLOCK, Digest, Hasher};
use super::manifest::{self, Manifest, Packed};
use super::sums::{self, Sum};
use super::{MANIFEST, SUMS};
use crate::error::usage;
use vm::process;

/// How much the decoder gives at a time: zstd's blocks have 128 KiB (RFC 8878, 3.1.1.2.3).
const STEP: usize = 128 << 10;

/// What was found about one file or image.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub name: String,
    /// What is wrong; nothing when it is as it was made.
    pub fault: Option<String>,
}

/// A release's folder, read but not yet checked.
pub struct Folder {
    path: PathBuf,
    sums: Vec<Sum>,
    manifest: Option<Manifest>,
}

impl Folder {
    /// # Errors
    /// There is no such folder, or its sums or its manifest cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Err(usage(format!("{} is no folder", path.display())));
        }
        let sums = sums::read(path)?;
        let manifest = path.join(MANIFEST).exists().then(|| manifest::read(path));
        Ok(Folder {
            path: path.to_path_buf(),
            sums,
            manifest: manifest.transpose()?,
        })
    }

    fn sum(&self, file: &str) -> Option<&str> {
        let sum = self.sums.iter().find(|sum| sum.file == file)?;
        Some(&sum.sha256)
    }

    fn images(&self) -> impl Iterator<Item = &Packed> {
        self.manifest.iter().flat_map(|manifest| &manifest.images)
    }

    /// Checks everything: files against sums, manifest against files, images against the manifest. `told` gets each
    /// finding as it comes.
    ///
    /// # Errors
    /// A file cannot be read, or Ctrl-C is pressed. What is broken is a finding.
    pub fn check_all(&self, told: &mut dyn FnMut(&Finding)) -> Result<()> {
        let mut seen = BTreeMap::new();
        for image in self.images() {
            let files: Vec<PathBuf> = image
                .assets
                .iter()
                .map(|asset| self.path.join(&asset.file))
                .collect();
            // A missing part is told below, as any missing file.
            if files.iter().all(|file| file.is_file()) {
                let (assets, unpacked) = unpack(&files)?;
                for (asset, digest) in image.assets.iter().zip(assets) {
                    seen.insert(asset.file.clone(), digest);
                }
                told(&compared(&image.file, unpacked, &image.digest));
            }
        }
        for sum in &self.sums {
            told(&self.check_sum(sum, seen.remove(&sum.file))?);
        }
        let listed = |file: &str| self.sum(file).is_some();
        for asset in self.images().flat_map(|image| &image.assets) {
            let fault = match self.sum(&asset.file) {
                Some(sum) if sum == asset.digest.sha256 => continue,
                Some(_) => format!("{MANIFEST} and {SUMS} give different digests for it"),
                None => format!("is in {MANIFEST} and not in {SUMS}"),
            };
            told(&broken(&asset.file, fault));
        }
        if self.manifest.is_some() && !listed(MANIFEST) {
            told(&broken(MANIFEST, format!("is not in {SUMS}")));
        }
        Ok(())
    }

    /// Checks one file of the folder: an asset and what is in it, an image that was decompressed, or any other.
    ///
    /// # Errors
    /// As [`Folder::check_all`]; and neither the sums nor the manifest know the file.
    pub fn check_one(&self, file: &str, told: &mut dyn FnMut(&Finding)) -> Result<()> {
        let path = self.path.join(file);
        if let Some(image) = self.images().find(|image| image.file == file) {
            // The manifest speaks for the image, so it has to be the one that was made.
            match self.sums.iter().find(|sum| sum.file == MANIFEST) {
                Some(sum) => told(&self.check_sum(sum, None)?),
                None => told(&broken(MANIFEST, format!("is not in {SUMS}"))),
            }
            let digest = hash::file(&path)?;
            told(&compared(file, Ok(digest), &image.digest));
            return Ok(());
        }
        let Some(sum) = self.sums.iter().find(|sum| sum.file == file) else {
            return Err(usage(format!(
                "{file} is not in {}: keep the name that it was released under, and take the {SUMS} of that release",
                self.path.join(SUMS).display()
            )));
        };
        if !file.ends_with(".zst") {
            told(&self.check_sum(sum, None)?);
            return Ok(());
        }
        let (assets, unpacked) = unpack(&[path])?;
        told(&self.check_sum(sum, assets.into_iter().next())?);
        let image = self
            .images()
            .find(|image| image.assets.first().is_some_and(|asset| asset.file == file));
        let name = file.trim_end_matches(".zst");
        told(&match (image, unpacked) {
            (Some(image), unpacked) => compared(name, unpacked, &image.digest),
            (None, Err(fault)) => broken(name, fault),
            (None, Ok(_)) => return Ok(()),
        });
        Ok(())
    }

    /// `sum` against its file, or against the `digest` that is known already.
    fn check_sum(&self, sum: &Sum, digest: Option<Digest>) -> Result<Finding> {
        let path = self.path.join(&sum.file);
        if !path.is_file() {
            return Ok(broken(&sum.file, "is missing".into()));
        }
        let digest = match digest {
            Some(digest) => digest,
            None => hash::file(&path)?,
        };
        let fault = (digest.sha256 != sum.sha256)
            .then(|| format!("has digest {}, {SUMS} says {}", digest.sha256, sum.sha256));
        let name = sum.file.clone();
        Ok(Finding { name, fault })
    }

    /// Files that the sums do not speak of.
    pub fn unlisted(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = name.starts_with('.') || name == SUMS;
            if !ours && self.sum(&name).is_none() && self.images().all(|image| image.file != name) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

fn broken(name: &str, fault: String) -> Finding {
    Finding {
        name: name.to_string(),
        fault: Some(fault),
    }
}

fn compared(name: &str, found: Result<Digest, String>, made: &Digest) -> Finding {
    let fault = match found {
        Err(fault) => Some(fault),
        Ok(found) if found.bytes != made.bytes => Some(format!(
            "is {} bytes long, {MANIFEST} says {}",
            found.bytes, made.bytes
        )),
        Ok(found) if found.sha256 != made.sha256 => Some(format!(
            "has digest {}, {MANIFEST} says {}",
            found.sha256, made.sha256
        )),
        Ok(_) => None,
    };
    Finding {
        name: name.to_string(),
        fault,
    }
}

/// The digests of `files`, and of what they hold when they are joined and decompressed (or why they cannot be), each
/// file read once.
///
/// # Errors
/// A file cannot be read, or Ctrl-C is pressed.
pub fn unpack(files: &[PathBuf]) -> Result<(Vec<Digest>, Result<Digest, String>)> {
    let mut joined = Joined::new(files);
    let hash = Aside::start();
    let mut decoder = Decoder::new(&mut joined)?;
    let fault = loop {
        process::check_interrupt()?;
        let mut block = vec![0; STEP];
        match decoder.read(&mut block) {
            Ok(0) => break None,
            Ok(read) => {
                block.truncate(read);
                hash.write(block)?;
            }
            Err(error) => break Some(format!("cannot be decompressed: {error}")),
        }
    };
    drop(decoder);
    let digests = joined.finish()?;
    let digest = hash.finish()?;
    Ok((digests, fault.map_or(Ok(digest), Err)))
}

/// Files read one after the other as if they were one; each is hashed by itself.
struct Joined<'a> {
    waiting: std::slice::Iter<'a, PathBuf>,
    open: Option<(File, &'a Path)>,
    hasher: Hasher,
    done: Vec<Digest>,
    /// What the disk said, which is no fault of the archive.
    failed: Option<String>,
}

impl<'a> Joined<'a> {
    fn new(files: &'a [PathBuf]) -> Self {
        Joined {
            waiting: files.iter(),
            open: None,
            hasher: Hasher::default(),
            done: Vec::new(),
            failed: None,
        }
    }

    fn step(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some((file, _)) = &mut self.open else {
                let Some(path) = self.waiting.next() else {
                    return Ok(0);
                };
                self.open = Some((File::open(path)?, path));
                continue;
            };
            let read = file.read(bytes)?;
            if read > 0 {
                self.hasher.write_all(&bytes[..read])?;
                return Ok(read);
            }
            self.open = None;
            self.done.push(std::mem::take(&mut self.hasher).finish());
        }
    }

    /// The digest of each file; reads what nobody has read yet.
    fn finish(mut self) -> Result<Vec<Digest>> {
        let mut rest = vec![0; BLOCK];
        loop {
            process::check_interrupt()?;
            if let Some(failed) = self.failed {
                return Err(usage(failed));
            }
            if self.read(&mut rest).context("cannot read the release")? == 0 {
                return Ok(self.done);
            }
        }
    }
}

impl Read for Joined<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.step(bytes);
        if let Err(error) = &read {
            let place = self
                .open
                .as_ref()
                .map_or(Path::new("the release"), |open| open.1);
            self.failed = Some(format!("cannot read {}: {error}", place.display()));
        }
        read
    }
}
