//! `verify`: is the download what was released?

use std::path::{Path, PathBuf};

use anyhow::Result;
use stick::sums::SUMS;

use crate::cli::Verify;
use crate::error::usage;
use crate::exit::Exit;
use crate::release::MANIFEST;
use crate::release::check::{FileCheck, ReleaseFolder};

/// How many files and images were checked. Every one is on stdout.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub ok: usize,
    pub failed: usize,
}

pub fn run(options: &Verify) -> Result<Exit> {
    Ok(match verify(&options.path)?.failed {
        0 => Exit::Ok,
        _ => Exit::PromiseBroken,
    })
}

/// Checks the release in the folder `path`, or the one file `path` of a release.
///
/// # Errors
/// There is no such file, or it cannot be checked.
pub fn verify(path: &Path) -> Result<Verified> {
    let mut verified = Verified::default();
    let mut found = |check: &FileCheck| match &check.fault {
        None => {
            verified.ok += 1;
            outln!("ok      {}", check.name);
        }
        Some(fault) => {
            verified.failed += 1;
            outln!("FAILED  {}: {fault}", check.name);
        }
    };
    if path.is_dir() {
        let folder = ReleaseFolder::open(path)?;
        folder.check_all(&mut found)?;
        if !folder.has_manifest() {
            outln!("skipped: the content of archives ({MANIFEST} is missing)");
        }
        for name in folder.unlisted()? {
            outln!("not part of the release: {name}");
        }
    } else {
        let (folder, file) = place(path)?;
        if file == SUMS {
            return Err(usage(format!(
                "{} is the list of checksums, and has none itself: give its folder, {}, to verify all files in the list",
                path.display(),
                folder.display()
            )));
        }
        ReleaseFolder::open(&folder)?.check_one(&file, &mut found)?;
    }
    let Verified { ok, failed } = verified;
    match failed {
        0 if ok == 1 => outln!("1 file is OK"),
        0 => outln!("all {ok} files are OK"),
        1 => outln!("1 file failed verification ({ok} OK); download it again"),
        _ => outln!("{failed} files failed verification ({ok} OK); download them again"),
    }
    Ok(verified)
}

/// The folder of the file `path`, and its name there.
fn place(path: &Path) -> Result<(PathBuf, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    match (path.is_file(), name, path.parent()) {
        (true, Some(name), Some(folder)) => {
            let here = folder.as_os_str().is_empty();
            let folder = if here { Path::new(".") } else { folder };
            Ok((folder.to_path_buf(), name.to_string()))
        }
        _ => Err(usage(format!(
            "there is no file or folder {}: give the release's folder, or one of its files",
            path.display()
        ))),
    }
}
