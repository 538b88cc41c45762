//! The update to send, and where its files come from.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use stick::digest;
use stick::monitor::Monitor;
use stick::update::{Update, UpdateImage};

use crate::error::{one_line, usage};
use crate::nix::{self, Nix};
use crate::project;
use crate::release::{MANIFEST, manifest};

/// The flake's attribute for the image.
const IMAGE: &str = "packages.x86_64-linux.raw";
/// The update's description, first in the archive.
const DESCRIPTION: &str = "update.json";

/// Where an update comes from, before it is read in full.
pub enum Source {
    Image(UpdateImage, PathBuf),
    /// A release's folder.
    Release(Update, PathBuf),
    /// Nix builds it.
    Build(Nix),
}

impl Source {
    /// The image that Nix builds.
    ///
    /// # Errors
    /// Nix is missing, or cannot build it.
    pub fn build() -> Result<Self> {
        let instead = "or give a release or an image with --image PATH";
        let nix = Nix::builder(&project::root()?, [IMAGE], "the image", instead)?;
        Ok(Source::Build(nix))
    }

    /// The source at `path`.
    ///
    /// # Errors
    /// `path` holds no update.
    pub fn at(path: &Path) -> Result<Self> {
        let shown = path.display();
        if path.join(MANIFEST).is_file() {
            let manifest = manifest::read(path)?;
            let update = manifest.update.ok_or_else(|| {
                usage(format!(
                    "the release {} in {shown} has no update files: flash it, or take a newer release",
                    manifest.version
                ))
            })?;
            return Ok(Source::Release(update, path.to_path_buf()));
        }
        if !path.exists() {
            return Err(usage(format!(
                "there is no {shown}: --image takes a release's folder, a raw image, or a folder with one"
            )));
        }
        let image = nix::image_in(path).map_err(|_| {
            if let Some(compressed) = compressed_image(path) {
                return usage(format!(
                    "{} is compressed: unpack it with `zstd -d`, or download the release's {MANIFEST} and its three files ollamalive_… in \
                     place of it",
                    compressed.display()
                ));
            }
            usage(format!(
                "{shown} has neither a {MANIFEST} nor a .raw image: --image takes a release's folder, a raw image, or a folder with one"
            ))
        })?;
        Self::image(image)
    }

    fn image(path: PathBuf) -> Result<Self> {
        let image = UpdateImage::open(&path).map_err(|error| usage(one_line(&error)))?;
        Ok(Source::Image(image, path))
    }

    /// Builds the image if there is none, and reads the whole update. A release's files are compared with its digests.
    ///
    /// # Errors
    /// Nix's own message; a file is damaged or missing; or `monitor` ends the operation.
    pub fn payload(self, monitor: &dyn Monitor) -> Result<Payload> {
        match self {
            Source::Build(nix) => {
                outln!("building   the image (.#raw)");
                let output = nix.build(IMAGE)?;
                Self::image(nix::image_in(&output)?)?.payload(monitor)
            }
            Source::Image(image, path) => Ok(Payload {
                update: image.digest(monitor)?,
                files: Files::Image(image, path),
            }),
            Source::Release(update, folder) => {
                for asset in &update.files {
                    let path = folder.join(&asset.file);
                    let found = match path.is_file() {
                        true => Some(digest::of_file(&path, monitor)?),
                        false => None,
                    };
                    let fault = match found {
                        Some(found) if found == asset.digest => continue,
                        Some(_) => format!("differs from {MANIFEST}"),
                        None => "is missing".into(),
                    };
                    return Err(usage(format!(
                        "{} {fault}: download it again",
                        path.display()
                    )));
                }
                let files = Files::Release(folder);
                Ok(Payload { update, files })
            }
        }
    }
}

/// The compressed image of a stick in `folder`.
fn compressed_image(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?;
    let mut paths = files.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.to_string_lossy().ends_with(".raw.zst"))
}

/// An update that is ready to be sent.
pub struct Payload {
    pub update: Update,
    files: Files,
}

enum Files {
    Image(UpdateImage, PathBuf),
    Release(PathBuf),
}

impl Payload {
    /// The image or the folder that its files are read from.
    pub fn from(&self) -> std::path::Display<'_> {
        match &self.files {
            Files::Image(_, path) | Files::Release(path) => path.display(),
        }
    }

    /// The length of its files together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.update
            .files
            .iter()
            .map(|asset| asset.digest.bytes)
            .sum()
    }

    /// Writes the archive that the machine takes: the description, then the files in its order.
    ///
    /// # Errors
    /// A file cannot be read, or `to` is closed ([`io::ErrorKind::BrokenPipe`]).
    pub fn write_tar(&self, to: impl Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(to);
        let description = serde_json::to_vec(&self.update)?;
        append(
            &mut archive,
            DESCRIPTION,
            description.len() as u64,
            &description[..],
        )?;
        for (index, asset) in self.update.files.iter().enumerate() {
            let reader = self
                .reader(index)
                .map_err(|error| io::Error::other(one_line(&error)))?;
            append(&mut archive, &asset.file, asset.digest.bytes, reader)?;
        }
        archive.into_inner()?.flush()
    }

    fn reader(&self, index: usize) -> Result<Box<dyn Read + '_>> {
        match &self.files {
            Files::Image(image, _) => image.reader(&image.files[index]),
            Files::Release(folder) => {
                let path = folder.join(&self.update.files[index].file);
                let file =
                    File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
                Ok(Box::new(file.take(self.update.files[index].digest.bytes)))
            }
        }
    }
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    bytes: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o600);
    header.set_size(bytes);
    archive.append_data(&mut header, name, content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stick::monitor::NoMonitor;
    use stick::testing::SmallImage;

    #[test]
    fn the_archive_begins_with_its_description() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.raw");
        let small = SmallImage {
            version: "20261128051225".into(),
            ..SmallImage::default()
        };
        small
            .with_system(&path, vec![7; 1 << 20], "ID=nixos\n")
            .unwrap();
        // By its folder, as a build's result is named.
        let source = Source::at(folder.path()).unwrap();
        let payload = source.payload(&NoMonitor).unwrap();
        let mut bytes = Vec::new();
        payload.write_tar(&mut bytes).unwrap();
        let mut names = Vec::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let name = entry.path().unwrap().display().to_string();
            if let Some(asset) = names
                .len()
                .checked_sub(1)
                .map(|at: usize| &payload.update.files[at])
            {
                assert_eq!(name, asset.file);
                assert_eq!(digest::sha256_hex(&content), asset.digest.sha256);
            } else {
                let update: Update = serde_json::from_slice(&content).unwrap();
                assert_eq!(update, payload.update);
            }
            names.push(name);
        }
        assert_eq!(names.len(), 4);
        assert_eq!(names[0], DESCRIPTION);
    }
}
