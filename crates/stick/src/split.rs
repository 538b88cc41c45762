//! Writing a long stream as several files of limited length. Files have temporary names until all is written; unfinished ones
//! are removed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::digest::{DigestWriter, FileDigest};
use crate::partial::partial;
use crate::units::binary_size;

/// `part10` would sort before `part2`, and the parts would be joined in the wrong order.
const MAX_PARTS: usize = 9;

/// The name of a part of `name`.
pub fn part(name: &str, number: usize) -> String {
    format!("{name}.part{number}")
}

/// What the file is a part of, and its number; None where it does not have the name of a part.
pub fn whole(file: &str) -> Option<(&str, usize)> {
    let (name, number) = file.rsplit_once(".part")?;
    (1..=MAX_PARTS)
        .find(|known| known.to_string() == number)
        .map(|number| (name, number))
}

/// A finished file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// Its name, without a folder.
    pub file: String,
    #[serde(flatten)]
    pub digest: FileDigest,
}

/// Takes the bytes of an asset, starts a new file when one is full, and keeps the digest of each.
pub struct SplitWriter {
    folder: PathBuf,
    limit: u64,
    files: Vec<(NamedTempFile, DigestWriter)>,
    /// Bytes that still fit into the last file.
    room: u64,
}

impl SplitWriter {
    /// Files go into `folder`; none will be longer than `limit` bytes.
    pub fn new(folder: &Path, limit: u64) -> Self {
        SplitWriter {
            folder: folder.to_path_buf(),
            limit,
            files: Vec::new(),
            room: 0,
        }
    }

    fn next(&mut self) -> io::Result<()> {
        if self.files.len() == MAX_PARTS {
            return Err(io::Error::other(format!(
                "more than {MAX_PARTS} parts of {} each would be needed: compress it more, or take a smaller image",
                binary_size(self.limit)
            )));
        }
        let file = partial(&self.folder).map_err(|error| io::Error::other(format!("{error:#}")))?;
        self.files.push((file, DigestWriter::default()));
        self.room = self.limit;
        Ok(())
    }

    /// Gives the files their names: `name` for a single one, else `name.part1`, `name.part2`, …
    ///
    /// # Errors
    /// The files cannot be renamed.
    pub fn finish(self, name: &str) -> Result<Vec<Asset>> {
        remove(&self.folder, name)?;
        let whole = self.files.len() == 1;
        let mut assets = Vec::new();
        for (index, (file, digest)) in self.files.into_iter().enumerate() {
            let file_name = if whole {
                name.to_string()
            } else {
                part(name, index + 1)
            };
            let path = self.folder.join(&file_name);
            file.persist(&path)
                .with_context(|| format!("cannot write {}", path.display()))?;
            assets.push(Asset {
                file: file_name,
                digest: digest.finish(),
            });
        }
        Ok(assets)
    }
}

/// Removes an older asset of this name, whole or in parts.
///
/// # Errors
/// One of its files cannot be removed.
pub fn remove(folder: &Path, name: &str) -> Result<()> {
    let parts = (1..=MAX_PARTS).map(|number| part(name, number));
    for file in parts.chain([name.to_string()]) {
        match fs::remove_file(folder.join(&file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove the old {file}"));
            }
            _ => {}
        }
    }
    Ok(())
}

impl Write for SplitWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            self.next()?;
        }
        let fits = bytes
            .len()
            .min(usize::try_from(self.room).unwrap_or(usize::MAX));
        let Some((file, digest)) = self.files.last_mut() else {
            return Ok(0);
        };
        let written = file.write(&bytes[..fits])?;
        digest.update(&bytes[..written]);
        self.room -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partial::SUFFIX;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn parts_join_to_the_whole_and_replace_an_older_asset() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.zst"), "old").unwrap();
        let mut parts = SplitWriter::new(folder.path(), 4);
        parts.write_all(b"0123456789").unwrap();
        assert!(
            names(folder.path())
                .iter()
                .all(|name| name == "x.zst" || name.ends_with(SUFFIX))
        );
        let assets = parts.finish("x.zst").unwrap();
        assert_eq!(
            names(folder.path()),
            ["x.zst.part1", "x.zst.part2", "x.zst.part3"]
        );
        let joined: Vec<u8> = assets
            .iter()
            .flat_map(|asset| fs::read(folder.path().join(&asset.file)).unwrap())
            .collect();
        assert_eq!(joined, b"0123456789");
        assert_eq!(assets[2].digest.sha256, crate::digest::sha256_hex(b"89"));
        let mut whole = SplitWriter::new(folder.path(), 10);
        whole.write_all(b"0123456789").unwrap();
        whole.finish("x.zst").unwrap();
        assert_eq!(names(folder.path()), ["x.zst"]);
    }

    #[test]
    fn a_part_is_known_by_its_name() {
        assert_eq!(whole(&part("x.zst", 3)), Some(("x.zst", 3)));
        for file in [
            "x.zst",
            "part1",
            "x.zst.part",
            "x.zst.part0",
            "x.zst.part10",
        ] {
            assert_eq!(whole(file), None, "{file}");
        }
    }

    #[test]
    fn too_many_parts_are_refused_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = SplitWriter::new(folder.path(), 1);
        let error = parts.write_all(b"0123456789").unwrap_err().to_string();
        assert!(error.contains("more than 9 parts of 1 bytes"), "{error}");
        drop(parts);
        assert!(names(folder.path()).is_empty());
    }
}
