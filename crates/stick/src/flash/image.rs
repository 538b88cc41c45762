//! The image file: raw, or compressed with zstd. Its first bytes tell which, not its name.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::chunks::{self, CHUNK};
use super::os;
use crate::layout::Layout;
use crate::sparse::SparseReader;
use crate::split;

/// A zstd frame begins with the first of these, a skippable frame with one of the sixteen that begin with the second
/// (RFC 8878, 3.1), both little-endian.
const FRAME: u32 = 0xfd2f_b528;
const SKIPPABLE: u32 = 0x184d_2a50;

/// The file is not the image that was released: it is damaged, cut off or too long, or a checksum beside it differs.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct DamagedImage(pub String);

/// The SHA-256 of what has been read so far, shared with the reader.
pub type Hash = Arc<Mutex<Sha256>>;

/// An image file that was opened for flashing.
pub struct StickImage {
    pub path: PathBuf,
    pub compressed: bool,
    seen: FileIdentity,
}

/// Differs between two files, and between two contents of one file.
type FileIdentity = (Option<(u64, u64)>, u64, Option<SystemTime>);

fn identity(meta: &Metadata) -> FileIdentity {
    (os::file_id(meta), meta.len(), meta.modified().ok())
}

impl StickImage {
    /// # Errors
    /// No such file, or one that cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let refuse = |why: &dyn std::fmt::Display| {
            anyhow::Error::msg(format!("cannot read the image {}: {why}", path.display()))
        };
        let meta = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => refuse(
                &"there is no such file; give a downloaded .raw.zst, or an image that you built",
            ),
            _ => refuse(&error),
        })?;
        if !meta.is_file() {
            return Err(refuse(&"it is not a file"));
        }
        if let Some(why) = a_part(path) {
            return Err(refuse(&why));
        }
        let mut file = File::open(path).map_err(|error| refuse(&error))?;
        let mut magic = [0; 4];
        chunks::fill(&mut file, &mut magic).map_err(|error| refuse(&error))?;
        let magic = u32::from_le_bytes(magic);
        Ok(StickImage {
            path: path.to_path_buf(),
            compressed: magic == FRAME || magic & !15 == SKIPPABLE,
            seen: identity(&meta),
        })
    }

    /// The bytes of the image, decompressed.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn reader(&self) -> Result<Box<dyn Read + Send>> {
        self.hashed(None, None)
    }

    /// The same; `of_file`, if given, hashes the bytes of the file, and `of_content` those of the image.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn hashed(
        &self,
        of_file: Option<Hash>,
        of_content: Option<Hash>,
    ) -> Result<Box<dyn Read + Send>> {
        let file = File::open(&self.path)
            .with_context(|| format!("cannot read the image {}", self.path.display()))?;
        let source = Hashed {
            source: SparseReader::new(file)?,
            hash: of_file,
        };
        let content: Box<dyn Read + Send> = if self.compressed {
            Box::new(zstd::Decoder::new(source).context("cannot start zstd")?)
        } else {
            Box::new(source)
        };
        Ok(match of_content {
            None => content,
            hash => Box::new(Hashed {
                source: content,
                hash,
            }),
        })
    }

    /// The places of the image's partitions.
    ///
    /// # Errors
    /// No GPT, not the partitions of a stick, or it cannot be decompressed.
    pub fn layout(&self) -> Result<Layout> {
        let mut start = vec![0; CHUNK];
        let length =
            chunks::fill(&mut self.reader()?, &mut start).map_err(|error| self.corrupt(&error))?;
        Layout::of(&start[..length]).map_err(|error| {
            let path = self.path.display();
            anyhow::Error::msg(match self.is_misnamed() {
                // Mostly a page that a server sent in place of the file.
                true => format!(
                    "{path} is not an image: its name ends in .zst, but it is not compressed with zstd: download it again"
                ),
                false => format!("{path} {error}"),
            })
        })
    }

    fn is_misnamed(&self) -> bool {
        let extension = self.path.extension();
        !self.compressed && extension.is_some_and(|extension| extension.eq_ignore_ascii_case("zst"))
    }

    /// # Errors
    /// The file is not the one that was opened, or has changed since.
    pub fn check_unchanged(&self) -> Result<()> {
        let now = fs::metadata(&self.path).map(|meta| identity(&meta)).ok();
        if now == Some(self.seen) {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    /// The error for a file that was changed.
    pub fn changed(&self) -> anyhow::Error {
        let path = self.path.display();
        anyhow::Error::msg(format!("{path} was changed while it was being read"))
    }

    /// The error for a failed read: of the disk that the image is on, or of the image itself.
    pub fn corrupt(&self, error: &io::Error) -> anyhow::Error {
        let path = self.path.display();
        // An error of zstd has no number of the system.
        if self.compressed && error.raw_os_error().is_none() {
            DamagedImage(format!(
                "{path} is damaged: download it again (zstd: {error})"
            ))
            .into()
        } else {
            anyhow::Error::msg(format!("cannot read the image {path}: {error}"))
        }
    }
}

/// What to do with the file at `path`, if it is a part of a packed image.
fn a_part(path: &Path) -> Option<String> {
    let (name, number) = split::whole(path.file_name()?.to_str()?)?;
    let whole = path.with_file_name(name);
    let packed = whole.extension().is_some_and(|end| end == "zst");
    packed.then(|| {
        let whole = whole.display();
        format!(
            "it is part {number} of an image: join all parts (`cat {whole}.part* > {whole}`), and give {whole}"
        )
    })
}

struct Hashed<R> {
    source: R,
    hash: Option<Hash>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        if let Some(hash) = &self.hash {
            let mut hash = hash.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            hash.update(&buffer[..length]);
        }
        Ok(length)
    }
}
