//! Writing a long stream as several files of limited length. Until all is written the files have temporary names, and a
//! failure removes them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::digest::{DigestWriter, FileDigest};
use crate::units::binary_size;

/// With more parts, their names would no longer sort in the order in which they are joined.
const MOST: usize = 9;
/// The end of a temporary name.
const PARTIAL: &str = ".partial";

/// A finished file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// Its name, without a folder.
    pub file: String,
    #[serde(flatten)]
    pub digest: FileDigest,
}

/// A file in `folder` that is removed unless it gets its name.
///
/// # Errors
/// It cannot be created.
pub fn partial(folder: &Path) -> Result<NamedTempFile> {
    let prefix = format!(".{}-", std::process::id());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(PARTIAL);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other program's file; the umask counts.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder
        .tempfile_in(folder)
        .with_context(|| format!("cannot write in {}", folder.display()))
}

/// Whether there is no process with this number. Not known on Windows, where leftovers stay.
fn is_gone(process: u32) -> bool {
    #[cfg(unix)]
    {
        use nix::{errno::Errno, sys::signal::kill, unistd::Pid};
        let Ok(process) = i32::try_from(process) else {
            return true;
        };
        kill(Pid::from_raw(process), None) == Err(Errno::ESRCH)
    }
    #[cfg(not(unix))]
    {
        let _ = process;
        false
    }
}

/// Removes the unfinished files that killed processes left in `folder`.
///
/// # Errors
/// The folder cannot be read, or a file cannot be removed.
pub fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(owner) = name.strip_prefix('.').and_then(|name| name.split_once('-')) else {
            continue;
        };
        if name.ends_with(PARTIAL) && owner.0.parse().is_ok_and(is_gone) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes `text` to `folder`/`name`, whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn place(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    let mut file = partial(folder)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.persist(&path).map(drop).map_err(|error| error.error))
        .with_context(|| format!("cannot write {}", path.display()))
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
        if self.files.len() == MOST {
            return Err(io::Error::other(format!(
                "more than {MOST} parts of {} each would be needed: compress it more, or take a smaller image",
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
                format!("{name}.part{}", index + 1)
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
    let parts = (1..=MOST).map(|index| format!("{name}.part{index}"));
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
                .all(|name| name == "x.zst" || name.ends_with(PARTIAL))
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
    fn too_many_parts_are_refused_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = SplitWriter::new(folder.path(), 1);
        let error = parts.write_all(b"0123456789").unwrap_err().to_string();
        assert!(error.contains("more than 9 parts of 1 bytes"), "{error}");
        drop(parts);
        assert!(names(folder.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn only_files_of_killed_processes_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        // Process numbers stay below 2^22 on Linux.
        for name in [
            ".4999999-abc.partial",
            "4999999-a.partial",
            ".x-y.partial",
            "v1.raw.zst",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mine = partial(folder.path()).unwrap();
        sweep(folder.path()).unwrap();
        let left = names(folder.path());
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(!left.contains(&".4999999-abc.partial".to_string()) && mine.path().exists());
    }
}
