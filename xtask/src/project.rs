//! Paths: the project, the cache, the folder of one run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::error::usage;

/// The project's top folder.
///
/// # Errors
/// Neither the current folder, nor one above it, nor the compiled-in path holds `flake.nix` and `tests/contract.nix`.
pub fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("cannot tell the current folder")?;
    let compiled_in = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf);
    here.ancestors()
        .map(Path::to_path_buf)
        .chain(compiled_in)
        .find(|folder| {
            folder.join("flake.nix").is_file() && folder.join("tests/contract.nix").is_file()
        })
        .ok_or_else(|| {
            usage(format!(
                "{} is not inside the project: change to the folder that holds flake.nix",
                here.display()
            ))
        })
}

/// The cache: `$OLLAMALIVE_CACHE`, or `ollamalive` in the user's cache folder. Created if it is missing.
pub fn cache() -> Result<PathBuf> {
    let folder = std::env::var_os("OLLAMALIVE_CACHE")
        .map(PathBuf::from)
        .or_else(|| {
            std::env::var_os("XDG_CACHE_HOME").map(|base| PathBuf::from(base).join("ollamalive"))
        })
        .or_else(|| {
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/ollamalive"))
        })
        .ok_or_else(|| {
            usage("HOME is not set: set OLLAMALIVE_CACHE to a folder for guests and disks")
        })?;
    fs::create_dir_all(&folder).map_err(|error| {
        usage(format!(
            "cannot make the cache {}: {error}; set OLLAMALIVE_CACHE to another folder",
            folder.display()
        ))
    })?;
    Ok(folder)
}

/// A folder for one run, in the cache because disks are large. Removed when dropped; folders of runs that were killed are
/// removed first.
pub fn run_folder(cache: &Path) -> Result<tempfile::TempDir> {
    let runs = cache.join("runs");
    fs::create_dir_all(&runs).with_context(|| format!("cannot make {}", runs.display()))?;
    for entry in fs::read_dir(&runs)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .split('-')
            .next()
            .and_then(|pid| pid.parse::<u32>().ok());
        let dead = owner.is_none_or(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        // Another run may remove it at the same time, so a failure means nothing.
        if dead {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new()
        .prefix(&format!("{}-", std::process::id()))
        .tempdir_in(&runs)
        .with_context(|| format!("cannot make a folder in {}", runs.display()))
}

/// Bytes that `folder` occupies on the disk; holes do not count.
pub fn disk_usage(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_usage(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_removes_its_folder_and_those_of_dead_runs() {
        let cache = tempfile::tempdir().unwrap();
        // Linux process ids are below 2^22.
        let dead = cache.path().join("runs/4999999-abc");
        fs::create_dir_all(&dead).unwrap();
        let first = run_folder(cache.path()).unwrap();
        assert!(!dead.exists());
        let second = run_folder(cache.path()).unwrap();
        assert!(first.path().exists(), "a live run is left alone");
        let path = second.path().to_path_buf();
        drop(second);
        assert!(!path.exists());
    }
}
