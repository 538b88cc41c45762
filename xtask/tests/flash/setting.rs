//! Images and sticks for these tests, and checks of their content.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::common::xtask;
use crate::stick::{MIB, end, image, used_stick};

pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8wrGXB1GRjJcdnYvsgk8DrIXvSZSvzEEK4kH8aU1nM me@home";
/// Size of STORE in most images here, and the size of its file system, in MiB.
pub const SLOT: u64 = 24;
pub const USED: u64 = 6;
/// The ext4 superblock's magic number, behind the beginning of a partition.
pub const EXT4: u64 = 1024 + 0x38;
/// The length of most sticks here.
pub const STICK: u64 = 96 * MIB;

/// An image, and a stick that is in use.
pub struct Case {
    /// Both are in it, and go with it.
    pub folder: TempDir,
    pub raw: PathBuf,
    pub stick: PathBuf,
    /// What was on the stick.
    before: Vec<u8>,
}

impl Case {
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let stick = used_stick(folder.path(), STICK);
        Ok(Case {
            raw: image(folder.path(), "image", SLOT, USED),
            before: fs::read(&stick)?,
            stick,
            folder,
        })
    }

    /// Fails unless the stick is as it was.
    pub fn is_untouched(&self) -> io::Result<()> {
        assert!(fs::read(&self.stick)? == self.before, "it was written to");
        Ok(())
    }

    /// Fails unless the image is on the stick.
    pub fn is_flashed(&self) {
        same(&self.raw, &self.stick, SLOT, USED);
    }
}

/// Runs `flash` without a terminal.
pub fn flash(arguments: &[&dyn AsRef<Path>]) -> Output {
    command(arguments).output().unwrap()
}

pub fn command(arguments: &[&dyn AsRef<Path>]) -> Command {
    let mut command = xtask(Path::new("/nonexistent"), &["flash"]);
    command
        .args(arguments.iter().map(|argument| argument.as_ref()))
        .stdin(Stdio::null());
    command
}

pub fn succeeded(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

/// Fails unless `stick` holds what `image` does, but for the part of STORE that nothing reads and the ESP.
pub fn same(image: &Path, stick: &Path, slot: u64, used: u64) {
    let (image, stick) = (fs::read(image).unwrap(), read(stick, end(slot)));
    let at = |mib: u64| (mib * MIB) as usize;
    let store_end = at(9 + used);
    for (from, to) in [
        (0, at(1)),
        (at(9), store_end),
        (at(9 + slot), at(10 + slot)),
    ] {
        assert!(
            image[from..to] == stick[from..to],
            "differs in {from}..{to}"
        );
    }
}

pub fn read(path: &Path, length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open(path)
        .unwrap()
        .take(length)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// Fails unless the first MiB of `stick` is empty: no firmware boots it.
pub fn starts_empty(stick: &Path) {
    let start = read(stick, MIB);
    assert!(
        start.iter().all(|byte| *byte == 0),
        "there is a partition table"
    );
}

/// Fails unless `stick` has neither a partition table nor its backup.
pub fn has_no_table(stick: &Path, slot: u64) {
    starts_empty(stick);
    let mut backup = vec![0; MIB as usize];
    File::open(stick)
        .unwrap()
        .read_exact_at(&mut backup, end(slot) - MIB)
        .unwrap();
    assert!(
        backup.iter().all(|byte| *byte == 0),
        "there is a backup table"
    );
}
