//! Versions derived from a good image, without another build: newer, and worse.
//!
//! The store stays as it is, with its hashes and its partitions' GUIDs. So the system in it, once it runs, knows itself by the good
//! image's version: only the table, the UKI's name and the UKI itself have the new one.

mod cmdline;
mod uki;

pub use cmdline::ParameterEdit;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use stick::esp;
use stick::gpt;
use stick::layout::{self, Layout};

use crate::disk_fixtures::stick_image::StickImage;
use crate::error::usage;

/// As much of an image or a store as has its table, or its superblock.
const START: usize = 1 << 20;

/// The version of the system in the image at `path`.
///
/// # Errors
/// It is no image of layout 2.
pub fn version_of(path: &Path) -> Result<String> {
    let partitions = gpt::partitions(path)?;
    let names = partitions.values().map(|partition| &partition.name);
    let mut versions = names.filter_map(|name| name.strip_prefix("store_"));
    versions
        .find(|version| is_version(version))
        .map(str::to_string)
        .ok_or_else(|| {
            usage(format!(
                "{} has no partition called store_ and a version: an image of layout 2 is needed",
                path.display()
            ))
        })
}

/// Whether this is the time of a commit, as `YYYYMMDDHHMMSS`.
fn is_version(text: &str) -> bool {
    text.len() == 14 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The path of a version's UKI in the ESP.
pub fn uki_path(version: &str) -> String {
    format!("EFI/Linux/ollamalive_{version}.efi")
}

/// Makes, at `target`, the `image` as `version`, with `edits` of the kernel's command line.
///
/// # Errors
/// It is no image of layout 2, or the command line has no room. There is no `target` then.
pub fn derive(image: &Path, target: &Path, version: &str, edits: &[ParameterEdit]) -> Result<()> {
    let old = version_of(image)?;
    if !is_version(version) {
        return Err(usage(format!(
            "{version:?} is no version: give 14 digits, as {old}"
        )));
    }
    let extent = gpt::partition(image, "ESP")?;
    let (from, to) = (uki_path(&old), uki_path(version));
    let mut uki = esp::read(image, extent, &from)?.ok_or_else(|| {
        usage(format!(
            "{} has no {from} in its ESP: an image of layout 2 is needed",
            image.display()
        ))
    })?;
    uki::set_version(&mut uki, &old, version)?;
    let cmdline = edits
        .iter()
        .try_fold(uki::cmdline(&uki)?, |text, edit| edit.apply(&text))?;
    uki::set_cmdline(&mut uki, &cmdline)?;
    let written = (|| {
        StickImage::flash(image, target, fs::metadata(image)?.len())?;
        esp::rename(target, extent, &from, &to)?;
        esp::write(target, extent, &to, &uki)?;
        ["verity_", "store_"].iter().try_for_each(|kind| {
            gpt::rename(target, &format!("{kind}{old}"), &format!("{kind}{version}"))
        })
    })();
    written.inspect_err(|_| {
        // What there is of it is of no use.
        let _ = fs::remove_file(target);
    })
}

/// Flips the lowest bit of the byte at `offset` of the system's store in the `image`.
///
/// # Errors
/// That byte is behind the store's end, where it would never be read.
pub fn flip_store_byte(image: &Path, offset: u64) -> Result<()> {
    let file = File::options().read(true).write(true).open(image);
    let file = file.with_context(|| format!("cannot write {}", image.display()))?;
    let mut start = vec![0; START];
    file.read_exact_at(&mut start, 0)?;
    let layout = Layout::of(&start).map_err(|why| usage(format!("{} {why}", image.display())))?;
    file.read_exact_at(&mut start, layout.store.offset)?;
    let end = layout::erofs_bytes(&start).unwrap_or(0);
    if offset >= end {
        return Err(usage(format!(
            "{}: the store has {end} bytes, so there is none at {offset} to flip: choose a lower one",
            image.display()
        )));
    }
    let mut byte = [0];
    let at = layout.store.offset + offset;
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1;
    file.write_all_at(&byte, at)?;
    Ok(())
}

#[cfg(test)]
mod tests;
