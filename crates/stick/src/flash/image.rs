//! The image file: raw, or compressed with zstd. Which of them its first bytes tell, not its name.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Error, Result};
use sha2::{Digest, Sha256};

use super::chunks::{self, CHUNK};
use super::layout::Layout;
use super::system;

/// A zstd frame begins with the first of these, a skippable frame with one of the sixteen that begin with the second
/// (RFC 8878, 3.1), both little-endian.
const FRAME: u32 = 0xfd2f_b528;
const SKIPPABLE: u32 = 0x184d_2a50;

pub struct Image {
    pub path: PathBuf,
    pub compressed: bool,
    seen: (u64, u64, u64, i64, i64),
}

/// What another file, or the same with other content, would not have.
fn identity(meta: &Metadata) -> (u64, u64, u64, i64, i64) {
    (
        meta.dev(),
        meta.ino(),
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec(),
    )
}

impl Image {
    /// # Errors
    /// No such file, or one that cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let refuse = |why: &dyn std::fmt::Display| {
            Error::msg(format!("cannot read the image {}: {why}", path.display()))
        };
        let meta = fs::metadata(path).map_err(|error| refuse(&error))?;
        if !meta.is_file() {
            return Err(refuse(&"it is not a file"));
        }
        let mut file = File::open(path).map_err(|error| refuse(&error))?;
        let mut magic = [0; 4];
        chunks::fill(&mut file, &mut magic).map_err(|error| refuse(&error))?;
        let magic = u32::from_le_bytes(magic);
        Ok(Image {
            path: path.to_path_buf(),
            compressed: magic == FRAME || magic & !15 == SKIPPABLE,
            seen: identity(&meta),
        })
    }

    /// The image's bytes, decompressed. `digest`, where there is one, gets those of the file.
    pub fn reader(&self, digest: Option<Arc<Mutex<Sha256>>>) -> Result<Box<dyn Read + Send>> {
        let file = File::open(&self.path)
            .with_context(|| format!("cannot read the image {}", self.path.display()))?;
        let source = Hashed {
            file: Sparse {
                length: file.metadata()?.len(),
                file,
                at: 0,
                data: 0..0,
            },
            digest,
        };
        Ok(if self.compressed {
            Box::new(zstd::Decoder::new(source).context("cannot start zstd")?)
        } else {
            Box::new(source)
        })
    }

    /// Where the image's partitions are.
    ///
    /// # Errors
    /// No GPT, not the partitions of a stick, or not to be decompressed.
    pub fn layout(&self) -> Result<Layout> {
        let mut start = vec![0; CHUNK];
        let length = chunks::fill(&mut self.reader(None)?, &mut start)
            .map_err(|error| self.corrupt(&error))?;
        Layout::of(&start[..length])
            .map_err(|error| Error::msg(format!("{} {error}", self.path.display())))
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

    /// The user's error for a file that is no longer what it was.
    pub fn changed(&self) -> anyhow::Error {
        let path = self.path.display();
        Error::msg(format!("{path} was changed while it was being read"))
    }

    /// The user's error for what reading failed with.
    pub fn corrupt(&self, error: &io::Error) -> anyhow::Error {
        let path = self.path.display();
        Error::msg(if self.compressed {
            format!("{path} is damaged: download it again (zstd: {error})")
        } else {
            format!("cannot read the image {path}: {error}")
        })
    }
}

/// A file whose holes are not read: that they are zero is known, and an image is two thirds holes.
struct Sparse {
    file: File,
    length: u64,
    at: u64,
    /// The last place that was looked for in which the file is no hole.
    data: Range<u64>,
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.length {
            return Ok(0);
        }
        if self.at >= self.data.end {
            self.data = system::next_data(&self.file, self.at, self.length);
        }
        let in_hole = self.at < self.data.start;
        let end = if in_hole {
            self.data.start
        } else {
            self.data.end
        };
        let room = usize::try_from(end - self.at).unwrap_or(usize::MAX);
        let room = room.min(buffer.len());
        let length = if in_hole {
            buffer[..room].fill(0);
            room
        } else {
            self.file.read_at(&mut buffer[..room], self.at)?
        };
        self.at += length as u64;
        Ok(length)
    }
}

struct Hashed {
    file: Sparse,
    digest: Option<Arc<Mutex<Sha256>>>,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        if let Some(digest) = &self.digest {
            let mut digest = digest
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            digest.update(&buffer[..length]);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_holes_is_read_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let file = File::create(&path).unwrap();
        for (at, length) in [(0, 5), (3 << 20, 70_000), (5 << 20, 1)] {
            file.write_all_at(&vec![7; length], at).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        for hole in [0, 1 << 20] {
            file.set_len(whole.len() as u64 + hole).unwrap();
            let mut read = Vec::new();
            let image = Image::open(&path).unwrap();
            image.reader(None).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == fs::read(&path).unwrap());
        }
    }
}
