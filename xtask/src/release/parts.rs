//! An asset while it is written: under a name for the time being, and in parts where GitHub would not take it whole.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use super::hash::Hasher;
use super::manifest::Asset;

/// What GitHub takes: "each file included in a release must be under 2 GiB"
/// (docs.github.com, "About releases", storage and bandwidth quotas). 2,000 MiB stay clear of it.
pub const LIMIT: u64 = 2000 << 20;
/// With more, their names would no longer sort in the order in which they are joined.
const MOST: usize = 9;
/// What half-made files end in.
const PARTIAL: &str = ".partial";

/// A file in `folder` that is gone unless it gets its name.
///
/// # Errors
/// It cannot be made.
pub fn partial(folder: &Path) -> Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(&format!(".{}-", std::process::id()))
        .suffix(PARTIAL)
        // As any other program's; the umask counts.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(|| format!("cannot write in {}", folder.display()))
}

/// Removes what killed runs left half-made in `folder`.
pub fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(owner) = name.strip_prefix('.').and_then(|name| name.split_once('-')) else {
            continue;
        };
        let dead = !Path::new("/proc").join(owner.0).exists();
        if name.ends_with(PARTIAL) && owner.0.parse::<u32>().is_ok() && dead {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes `text` to `folder`/`name`, whole or not at all.
pub fn place(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    let mut file = partial(folder)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.persist(&path).map(drop).map_err(|error| error.error))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Takes an asset's bytes and keeps the digest of each part.
pub struct Parts {
    folder: PathBuf,
    limit: u64,
    files: Vec<(NamedTempFile, Hasher)>,
    /// How much fits the last file still.
    room: u64,
}

impl Parts {
    /// No part will be longer than `limit` bytes.
    pub fn new(folder: &Path, limit: u64) -> Self {
        Parts {
            folder: folder.to_path_buf(),
            limit,
            files: Vec::new(),
            room: 0,
        }
    }

    fn next(&mut self) -> io::Result<()> {
        if self.files.len() == MOST {
            return Err(io::Error::other(format!(
                "the image takes more than {MOST} parts of {} each: GitHub takes no file of 2 GiB or more",
                super::size(self.limit)
            )));
        }
        let file = partial(&self.folder).map_err(|error| io::Error::other(format!("{error:#}")))?;
        self.files.push((file, Hasher::default()));
        self.room = self.limit;
        Ok(())
    }

    /// Gives the asset its name: `name`, or where it is in parts `name.part1`, `name.part2`, …
    ///
    /// # Errors
    /// The files cannot be renamed.
    pub fn finish(self, name: &str) -> Result<Vec<Asset>> {
        remove(&self.folder, name)?;
        let whole = self.files.len() == 1;
        let mut assets = Vec::new();
        for (index, (file, hasher)) in self.files.into_iter().enumerate() {
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
                digest: hasher.finish(),
            });
        }
        Ok(assets)
    }
}

/// Removes an older asset of this name, whole or in parts.
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

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            self.next()?;
        }
        let fits = bytes
            .len()
            .min(usize::try_from(self.room).unwrap_or(usize::MAX));
        let Some((file, hasher)) = self.files.last_mut() else {
            return Ok(0);
        };
        let written = file.write(&bytes[..fits])?;
        hasher.write_all(&bytes[..written])?;
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
        let mut parts = Parts::new(folder.path(), 4);
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
        assert_eq!(assets[2].digest.sha256, crate::digest::sha256(b"89"));
        let mut whole = Parts::new(folder.path(), 10);
        whole.write_all(b"0123456789").unwrap();
        whole.finish("x.zst").unwrap();
        assert_eq!(names(folder.path()), ["x.zst"]);
    }

    #[test]
    fn too_many_parts_are_refused_with_the_numbers_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = Parts::new(folder.path(), 1);
        let error = parts.write_all(b"0123456789").unwrap_err().to_string();
        assert!(error.contains("more than 9 parts of 1 bytes"), "{error}");
        drop(parts);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_nothing_else() {
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
