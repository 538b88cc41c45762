//! `verify`: is the download what was released?

use std::path::{Path, PathBuf};

use anyhow::Result;
use stick::sums::SUMS;

use crate::cli::Verify;
use crate::error::usage;
use crate::exit::Exit;
use crate::project;
use crate::release::MANIFEST;
use crate::release::check::{FileCheck, ReleaseFolder};
use crate::release::signature::SIGNATURE;
use crate::release::signature::public_key::{ExpectedKey, SignatureCheck};

/// How many files and images were checked. Every one is on stdout.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub ok: usize,
    pub failed: usize,
}

impl Verified {
    fn file(&mut self, check: &FileCheck) {
        match &check.fault {
            None => self.ok(&check.name),
            Some(fault) => self.failed(&check.name, fault),
        }
    }

    fn signature(&mut self, check: &SignatureCheck) {
        match check {
            SignatureCheck::Good(by) => {
                self.ok(&format!("{SIGNATURE}: signature good, by {}", by.shown()));
            }
            SignatureCheck::Bad(fault) => self.failed(SIGNATURE, fault),
            SignatureCheck::Unsigned => outln!("not signed: there is no {SIGNATURE}"),
            SignatureCheck::Unchecked(why) => outln!("skipped: {SIGNATURE} ({why})"),
        }
    }

    fn ok(&mut self, what: &str) {
        self.ok += 1;
        outln!("ok      {what}");
    }

    fn failed(&mut self, name: &str, fault: &str) {
        self.failed += 1;
        outln!("FAILED  {name}: {fault}");
    }
}

pub fn run(options: &Verify) -> Result<Exit> {
    Ok(match verify(options)?.failed {
        0 => Exit::Ok,
        _ => Exit::PromiseBroken,
    })
}

/// Checks the release in a folder, or one file of a release.
///
/// # Errors
/// There is no such file, or it cannot be checked.
pub fn verify(options: &Verify) -> Result<Verified> {
    let path = &options.path;
    let project = project::root().ok();
    let key = ExpectedKey::choose(options.key.as_deref(), project.as_deref());
    let mut verified = Verified::default();
    if path.is_dir() {
        let folder = ReleaseFolder::open(path)?;
        verified.signature(&folder.check_signature(key.as_ref(), true)?);
        folder.check_all(&mut |check| verified.file(check))?;
        if !folder.has_manifest() {
            outln!("skipped: the content of archives ({MANIFEST} is missing)");
        }
        for name in folder.uncheckable() {
            outln!("skipped: {name} ({SUMS} lists its parts, and {MANIFEST} is missing)");
        }
        for name in folder.unlisted()? {
            outln!("not part of the release: {name}");
        }
    } else {
        let (folder, file) = place(path)?;
        if let Some(list) = list_or_signature(&file) {
            return Err(usage(format!(
                "{} is {list}, and has none itself: give its folder, {}, to verify all files in the list",
                path.display(),
                folder.display()
            )));
        }
        let folder = ReleaseFolder::open(&folder)?;
        verified.signature(&folder.check_signature(key.as_ref(), false)?);
        folder.check_one(&file, &mut |check| verified.file(check))?;
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

/// What `file` is, if it has no checksum.
fn list_or_signature(file: &str) -> Option<&'static str> {
    match file {
        SUMS => Some("the list of checksums"),
        SIGNATURE => Some("the signature of the checksums"),
        _ => None,
    }
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
