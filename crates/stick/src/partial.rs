//! Files that appear under their names whole or not at all. Until then they have temporary names, which hold the number of
//! the process, so that those of a killed one can be swept away.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// The end of a temporary name.
pub const SUFFIX: &str = ".partial";

/// A file in `folder` that is removed when it is dropped, unless it is persisted under its name.
///
/// # Errors
/// It cannot be created.
pub fn partial(folder: &Path) -> Result<NamedTempFile> {
    let prefix = format!(".{}-", std::process::id());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As other programs' files, not tempfile's 0600. The umask applies.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder
        .tempfile_in(folder)
        .with_context(|| format!("cannot write in {}", folder.display()))
}

/// Whether no process has this ID. There is no such check on Windows, so leftovers stay there.
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
        if name.ends_with(SUFFIX) && owner.0.parse().is_ok_and(is_gone) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes `content` to `folder`/`name`, whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn place(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
    let path = folder.join(name);
    let mut file = partial(folder)?;
    file.write_all(content.as_ref())
        .and_then(|()| file.persist(&path).map(drop).map_err(|error| error.error))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

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
        assert!(!folder.path().join(".4999999-abc.partial").exists());
        assert!(mine.path().exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }
}
