//! Releases for tests of updates: good ones, and ones that machines have to refuse.

pub mod derived;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use stick::digest::{FileDigest, sha256_hex};
use stick::split::Asset;
use stick::sums::{self, SUMS};
use stick::update::{Update, UpdateImage};

use crate::error::usage;
use crate::release::manifest::{FORMAT, Manifest, SystemInfo};
use crate::release::signature::SIGNATURE;
use crate::release::signature::signer::Signer;
use crate::release::{CtrlC, MANIFEST};
use crate::update_server::{Content, Files};

/// The key that releases for tests are signed with, in the project's folder; tests/variants/updates.nix trusts it.
const KEY: &str = "tests/keys/updates.secret.asc";

const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// The signer whose releases a machine under test accepts. `root` is the project's folder.
///
/// # Errors
/// There is no gpg, or the key is not there.
pub fn signer(root: &Path) -> Result<Signer> {
    Signer::of_file(&root.join(KEY))
}

/// A release before its checksums are made and signed: changes made here are signed too.
#[derive(Debug, Clone)]
pub struct UpdateRelease {
    /// The update in the manifest.
    pub update: Update,
    /// The update's files.
    contents: Files,
}

impl UpdateRelease {
    /// The release of `image`, a raw image. Its files are written to `folder`, and have to stay there while they are served.
    ///
    /// # Errors
    /// `image` is not an image of layout 2, or the files cannot be written.
    pub fn make(image: &Path, folder: &Path) -> Result<Self> {
        let image = UpdateImage::open(image)?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let update = image.write(folder, &CtrlC)?;
        let content = |file: &Asset| (file.file.clone(), Content::File(folder.join(&file.file)));
        Ok(UpdateRelease {
            contents: update.files.iter().map(content).collect(),
            update,
        })
    }

    /// The release with another `version` in everything that is read before an installation. The UKI itself is unchanged.
    pub fn renamed(&self, version: &str) -> Self {
        let old = self.update.version.as_str();
        let renamed = |name: &str| name.replacen(old, version, 1);
        let mut update = self.update.clone();
        for file in &mut update.files {
            file.file = renamed(&file.file);
        }
        update.version = version.to_string();
        let contents = self.contents.iter();
        UpdateRelease {
            contents: contents
                .map(|(name, content)| (renamed(name), content.clone()))
                .collect(),
            update,
        }
    }

    /// The release with a wrong checksum for the file with `part` in its name: as if the file were damaged on its way.
    ///
    /// # Errors
    /// There is no such file.
    pub fn with_wrong_sum(&self, part: &str) -> Result<Self> {
        let mut changed = self.clone();
        let mut files = changed.update.files.iter_mut();
        let file = files.find(|file| file.file.contains(part));
        let digest = &mut file.ok_or_else(|| no_file(part))?.digest;
        digest.sha256 = another(&digest.sha256);
        Ok(changed)
    }

    /// All files to publish, with a signature by `signer`.
    ///
    /// # Errors
    /// gpg fails.
    pub fn signed(&self, signer: &Signer) -> Result<Files> {
        let (mut files, sums) = self.summed(Some(signer.fingerprint()));
        files.insert(SIGNATURE.into(), signer.sign(&sums)?.into());
        Ok(files)
    }

    /// All files to publish, without a signature.
    pub fn unsigned(&self) -> Files {
        self.summed(None).0
    }

    /// All files but the signature, and the text of SHA256SUMS.
    fn summed(&self, signed_by: Option<&str>) -> (Files, String) {
        let manifest = Manifest {
            format: FORMAT,
            version: format!("test-{}", self.update.version),
            commit: NO_COMMIT.into(),
            signed_by: signed_by.map(str::to_string),
            system: SystemInfo {
                nixpkgs: NO_COMMIT.into(),
                layout_version: Some(self.update.layout_version.into()),
                ..SystemInfo::default()
            },
            images: Vec::new(),
            update: Some(self.update.clone()),
            tests: Vec::new(),
        };
        let manifest = format!("{:#}\n", json!(manifest));
        let mut assets = self.update.files.clone();
        assets.push(Asset {
            file: MANIFEST.into(),
            digest: FileDigest {
                bytes: manifest.len() as u64,
                sha256: sha256_hex(manifest.as_bytes()),
            },
        });
        let sums = sums::render(&assets);
        let mut files = self.contents.clone();
        files.insert(MANIFEST.into(), manifest.into());
        files.insert(SUMS.into(), sums.clone().into());
        (files, sums)
    }
}

/// `published` with another checksum for the file with `part` in its name. The signature, if any, is unchanged.
///
/// # Errors
/// There are no sums, or they name no such file.
pub fn change_sum(published: &Files, part: &str) -> Result<Files> {
    let Some(Content::Bytes(sums)) = published.get(SUMS) else {
        return Err(no_file(SUMS));
    };
    let sums = String::from_utf8_lossy(sums);
    let line = sums.lines().find(|line| line.contains(part));
    let line = line.ok_or_else(|| no_file(part))?;
    let mut changed = published.clone();
    changed.insert(SUMS.into(), sums.replace(line, &another(line)).into());
    Ok(changed)
}

/// A digest in hex, at the start of `text`, with another first digit.
fn another(text: &str) -> String {
    let first = if text.starts_with('0') { "1" } else { "0" };
    format!("{first}{}", text.get(1..).unwrap_or_default())
}

fn no_file(part: &str) -> anyhow::Error {
    usage(format!(
        "the release for tests has no file with {part} in its name: name one that it has"
    ))
}

#[cfg(test)]
mod tests;
