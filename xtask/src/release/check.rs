//! Checking that a downloaded release is the one that was made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use stick::archive::unpack;
use stick::digest::{self, FileDigest};
use stick::split;
use stick::sums::{self, SUMS, SumLine};

use super::manifest::{self, Manifest, PackedImage};
use super::signature::SIGNATURE;
use super::signature::public_key::{self, ExpectedKey, SignatureCheck};
use super::{CtrlC, MANIFEST};
use crate::error::usage;

/// The result of checking one file or image.
#[derive(Debug, PartialEq, Eq)]
pub struct FileCheck {
    pub name: String,
    /// What is wrong; None when it is as it was released.
    pub fault: Option<String>,
}

/// A release's folder, read but not yet checked.
pub struct ReleaseFolder {
    path: PathBuf,
    sums: Vec<SumLine>,
    manifest: Option<Manifest>,
}

impl ReleaseFolder {
    /// # Errors
    /// There is no such folder, or its sums or its manifest cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Err(usage(format!("{} is not a folder", path.display())));
        }
        let sums = sums::read(path)?;
        let manifest = path.join(MANIFEST).exists().then(|| manifest::read(path));
        Ok(ReleaseFolder {
            path: path.to_path_buf(),
            sums,
            manifest: manifest.transpose()?,
        })
    }

    /// Whether the manifest is there; without it the content of archives cannot be checked.
    pub fn has_manifest(&self) -> bool {
        self.manifest.is_some()
    }

    /// Checks the signature of the sums. `whole`: all files of the release should be here.
    ///
    /// # Errors
    /// The public key cannot be used.
    pub fn check_signature(
        &self,
        key: Option<&ExpectedKey>,
        whole: bool,
    ) -> Result<SignatureCheck> {
        let signer = self.manifest.as_ref().filter(|_| whole);
        let signer = signer.and_then(|manifest| manifest.signed_by.as_deref());
        public_key::check(&self.path, key, signer)
    }

    fn sum(&self, file: &str) -> Option<&str> {
        let sum = self.sums.iter().find(|sum| sum.file == file)?;
        Some(&sum.sha256)
    }

    fn images(&self) -> impl Iterator<Item = &PackedImage> {
        self.manifest.iter().flat_map(|manifest| &manifest.images)
    }

    /// Checks everything: files against sums, manifest against files, images against the manifest. `found` gets each
    /// result as soon as it is known.
    ///
    /// # Errors
    /// A file cannot be read, or Ctrl-C is pressed. A bad file is a result, not an error.
    pub fn check_all(&self, found: &mut dyn FnMut(&FileCheck)) -> Result<()> {
        let mut seen = BTreeMap::new();
        for image in self.images() {
            let files: Vec<PathBuf> = image
                .assets
                .iter()
                .map(|asset| self.path.join(&asset.file))
                .collect();
            // A missing part is reported below, as any missing file.
            if files.iter().all(|file| file.is_file()) {
                let (assets, unpacked) = unpack(&files, &CtrlC)?;
                for (asset, digest) in image.assets.iter().zip(assets) {
                    seen.insert(asset.file.clone(), digest);
                }
                found(&compared(&image.file, unpacked, &image.digest));
            }
            if let Some(name) = image.joined().filter(|name| self.has(name)) {
                let (_, unpacked) = unpack(&[self.path.join(name)], &CtrlC)?;
                found(&compared(name, unpacked, &image.digest));
            }
        }
        for sum in &self.sums {
            if self.is_joined(&sum.file) && !self.has(&sum.file) {
                continue;
            }
            found(&self.check_sum(sum, seen.remove(&sum.file))?);
        }
        let listed = |file: &str| self.sum(file).is_some();
        for asset in self.manifest.iter().flat_map(Manifest::assets) {
            let fault = match self.sum(&asset.file) {
                Some(sum) if sum == asset.digest.sha256 => continue,
                Some(_) => format!("{MANIFEST} and {SUMS} give different digests for it"),
                None => format!("is in {MANIFEST} and not in {SUMS}"),
            };
            found(&bad(&asset.file, fault));
        }
        if self.manifest.is_some() && !listed(MANIFEST) {
            found(&bad(MANIFEST, format!("is not in {SUMS}")));
        }
        Ok(())
    }

    fn has(&self, file: &str) -> bool {
        self.path.join(file).is_file()
    }

    /// Whether `file` is a part that is also in a joined file, and the manifest can tell whether that is right.
    fn is_joined(&self, file: &str) -> bool {
        let name = split::whole(file).map(|(name, _)| name);
        name.is_some_and(|name| {
            self.has(name) && self.images().any(|image| image.joined() == Some(name))
        })
    }

    /// Joined files that nothing here can check, because the manifest is missing.
    pub fn uncheckable(&self) -> Vec<&str> {
        let parts = self
            .sums
            .iter()
            .filter_map(|sum| split::whole(&sum.file))
            .filter(|(name, number)| *number == 1 && self.has(name) && self.manifest.is_none());
        parts.map(|(name, _)| name).collect()
    }

    /// Checks one file of the folder: an asset and what is in it, an image that was joined or decompressed, or any other.
    ///
    /// # Errors
    /// As [`ReleaseFolder::check_all`]; and neither the sums nor the manifest know the file.
    pub fn check_one(&self, file: &str, found: &mut dyn FnMut(&FileCheck)) -> Result<()> {
        let path = self.path.join(file);
        let whole = |image: &&PackedImage| image.file == file || image.joined() == Some(file);
        if let Some(image) = self.images().find(whole) {
            // The manifest has the image's digest, so it has to be the released one.
            match self.sums.iter().find(|sum| sum.file == MANIFEST) {
                Some(sum) => found(&self.check_sum(sum, None)?),
                None => found(&bad(MANIFEST, format!("is not in {SUMS}"))),
            }
            let digest = match image.file == file {
                true => Ok(digest::of_file(&path, &CtrlC)?),
                false => unpack(&[path], &CtrlC)?.1,
            };
            found(&compared(file, digest, &image.digest));
            return Ok(());
        }
        if self.uncheckable().contains(&file) {
            return Err(usage(format!(
                "{} cannot be checked, because {SUMS} lists its parts: save the release's {MANIFEST} beside it, or give a part",
                path.display()
            )));
        }
        let Some(sum) = self.sums.iter().find(|sum| sum.file == file) else {
            return Err(usage(format!(
                "{file} is not in {}: keep its released name, and use the {SUMS} of that release; for an unpacked image, download its {MANIFEST} too",
                self.path.join(SUMS).display()
            )));
        };
        if !file.ends_with(".zst") {
            found(&self.check_sum(sum, None)?);
            return Ok(());
        }
        let (assets, unpacked) = unpack(&[path], &CtrlC)?;
        found(&self.check_sum(sum, assets.into_iter().next())?);
        let image = self
            .images()
            .find(|image| image.assets.first().is_some_and(|asset| asset.file == file));
        let name = file.trim_end_matches(".zst");
        found(&match (image, unpacked) {
            (Some(image), unpacked) => compared(name, unpacked, &image.digest),
            (None, Err(fault)) => bad(name, fault),
            (None, Ok(_)) => return Ok(()),
        });
        Ok(())
    }

    /// `sum` against its file, or against the `digest` that is known already.
    fn check_sum(&self, sum: &SumLine, digest: Option<FileDigest>) -> Result<FileCheck> {
        let path = self.path.join(&sum.file);
        if !path.is_file() {
            return Ok(bad(&sum.file, "is missing".into()));
        }
        let digest = match digest {
            Some(digest) => digest,
            None => digest::of_file(&path, &CtrlC)?,
        };
        let fault = (digest.sha256 != sum.sha256)
            .then(|| format!("has digest {}, {SUMS} says {}", digest.sha256, sum.sha256));
        let name = sum.file.clone();
        Ok(FileCheck { name, fault })
    }

    /// Files that are not in the sums.
    pub fn unlisted(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = name.starts_with('.') || name == SUMS || name == SIGNATURE;
            let part = split::part(&name, 1);
            let known = [&name, &part].iter().any(|file| self.sum(file).is_some());
            if !ours && !known && self.images().all(|image| image.file != name) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

fn bad(name: &str, fault: String) -> FileCheck {
    FileCheck {
        name: name.to_string(),
        fault: Some(fault),
    }
}

fn compared(name: &str, digest: Result<FileDigest, String>, made: &FileDigest) -> FileCheck {
    let fault = match digest {
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
    FileCheck {
        name: name.to_string(),
        fault,
    }
}
