//! Makes the base from the recipe: mmdebstrap's Debian as kernel, initial RAM disk and stick image. Needs no root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use uuid::Uuid;

use super::failure::{cause, explain};
use super::recipe::{HOOK, INIT, MIRROR, PACKAGES, SUITE};
use super::stick;
use crate::error::usage;
use vm::process;

const BOOTSTRAP_LIMIT: Duration = Duration::from_secs(20 * 60);
const FILESYSTEM_LIMIT: Duration = Duration::from_secs(3 * 60);
/// Room in the file system beyond the tar's size: inodes, tables, files that do not fill their last block.
const SLACK: u64 = 96 << 20;
const BLOCK: u64 = 4096;

/// Fills `folder` with a finished cache entry.
pub fn make(folder: &Path, cache: &Path, disk_id: Uuid, say: &mut dyn FnMut(&str)) -> Result<()> {
    for program in ["mmdebstrap", "genext2fs"] {
        if which::which(program).is_err() {
            return Err(usage(format!(
                "the stand-in guest is made by {program}, which is not installed; `cargo xtask setup --yes` installs it"
            )));
        }
    }
    let tar = folder.join("system.tar");
    bootstrap(folder, &tar, cache)?;
    say("packing the stand-in guest's stick");
    let store = folder.join("store.ext2");
    filesystem(&tar, &store, cache)?;
    fs::remove_file(&tar)?;
    let image = folder.join("stick.img");
    stick::write(&store, &image, disk_id).map_err(|error| {
        explain(
            "cannot write the stand-in guest's stick",
            &format!("{error:#}"),
            cache,
        )
    })?;
    fs::remove_file(&store)?;
    Ok(())
}

fn bootstrap(folder: &Path, tar: &Path, cache: &Path) -> Result<()> {
    let mut command = process::command("mmdebstrap");
    command
        .args(["--variant=essential", "--format=tar"])
        .args([
            "--aptopt=Apt::Install-Recommends \"false\"",
            "--aptopt=Acquire::Languages \"none\"",
        ])
        .args(
            ["man", "doc", "locale"]
                .map(|name| format!("--dpkgopt=path-exclude=/usr/share/{name}/*")),
        )
        // Only the finished tar is kept: a power cut half-way leaves no cache entry.
        .arg("--dpkgopt=force-unsafe-io")
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg(format!("--customize-hook={HOOK}"))
        .arg(format!(
            "--customize-hook=copy-out /standin {}",
            quoted(folder)?
        ))
        .arg("--customize-hook=rm -rf \"$1/standin\"")
        .args([SUITE, &tar.display().to_string(), MIRROR])
        .env("STANDIN_INIT", INIT)
        .env("LC_ALL", "C.UTF-8");
    if fs::metadata(folder)?.uid() == 0 {
        // Not in /tmp, which may be small. A normal user's sub-users cannot enter the cache, so theirs stays there.
        command.env("TMPDIR", folder);
    }
    let what = "cannot make the stand-in guest's Debian";
    let finished = process::finish(command, what, BOOTSTRAP_LIMIT)?;
    if !finished.status.success() {
        return Err(explain(what, cause(&finished.stderr), cache));
    }
    let facts = folder.join("standin");
    for entry in fs::read_dir(&facts).context("mmdebstrap copied no files out")? {
        let entry = entry?;
        fs::rename(entry.path(), folder.join(entry.file_name()))?;
    }
    fs::remove_dir(&facts)?;
    Ok(())
}

/// mmdebstrap reads a special hook's arguments as a shell reads words.
fn quoted(path: &Path) -> Result<String> {
    let text = path.display().to_string();
    if text.contains(['\'', '\n']) {
        return Err(usage(format!(
            "the cache's name {text:?} has a character that mmdebstrap cannot take: set OLLAMALIVE_CACHE to another folder"
        )));
    }
    Ok(format!("'{text}'"))
}

fn filesystem(tar: &Path, store: &Path, cache: &Path) -> Result<()> {
    let bytes = fs::metadata(tar)?.len() + SLACK;
    let mut command = process::command("genext2fs");
    command
        .args([
            "--block-size",
            &BLOCK.to_string(),
            "--size-in-blocks",
            &bytes.div_ceil(BLOCK).to_string(),
        ])
        .args([
            "--bytes-per-inode",
            "12288",
            "--reserved-percentage",
            "0",
            "--allow-holes",
            "--tarball",
        ])
        .arg(tar)
        .arg(store);
    let what = "cannot make the stand-in guest's file system";
    let finished = process::finish(command, what, FILESYSTEM_LIMIT)?;
    if finished.status.success() {
        Ok(())
    } else {
        Err(explain(what, cause(&finished.stderr), cache))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_blanks_are_one_word() {
        assert_eq!(quoted(Path::new("/my cache")).unwrap(), "'/my cache'");
        assert!(quoted(Path::new("/it's")).is_err());
    }
}
