//! Versions derived from a good image without another build: newer ones, and broken ones.
//!
//! The content of the store is unchanged, so the running system still reports the good image's version: only the labels, the
//! UKI's name and the UKI itself have the new one.

mod cmdline;
mod uki;

pub use cmdline::ParameterEdit;

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use stick::esp;
use stick::gpt;
use stick::layout::{self, Layout};
use stick::update::rehash::{self, Hashes};
use stick::update::{is_version, uki_path};

use crate::disk_fixtures::stick_image::StickImage;
use crate::error::usage;

/// Bytes at the start of an image or a store that hold its partition table or its superblock.
const START: usize = 1 << 20;

/// How a derived version differs from the good one.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Edits of the kernel's command line, in this order.
    pub parameters: Vec<ParameterEdit>,
    /// Whether the store is hashed again, with another salt: then the slot has IDs of its own, as after any real update.
    /// Otherwise a stick with both versions has two slots with the same IDs, and the machine may open either.
    pub rehash: bool,
}

/// The version of the system in the image at `path`.
///
/// # Errors
/// It is not an image of layout 2.
pub fn version_of(path: &Path) -> Result<String> {
    let partitions = gpt::partitions(path)?;
    let names = partitions.values().map(|partition| &partition.name);
    let mut versions = names.filter_map(|name| name.strip_prefix(STORE));
    versions
        .find(|version| is_version(version))
        .map(str::to_string)
        .ok_or_else(|| {
            usage(format!(
                "{} has no partition called store_ and a version: use an image of layout 2",
                path.display()
            ))
        })
}

/// What the labels of a slot's partitions begin with; the version follows.
const STORE: &str = "store_";
const VERITY: &str = "verity_";

fn label(kind: &str, version: &str) -> String {
    format!("{kind}{version}")
}

/// Writes `image` to `target` as `version`, with `changes`.
///
/// # Errors
/// `image` is not an image of layout 2, or the command line becomes too long. `target` is removed then.
pub fn derive(image: &Path, target: &Path, version: &str, changes: &Changes) -> Result<()> {
    let old = version_of(image)?;
    if !is_version(version) {
        return Err(usage(format!(
            "{version:?} is not a version: give 14 digits, such as {old}"
        )));
    }
    let extent = gpt::partition(image, "ESP")?;
    let (from, to) = (uki_path(&old), uki_path(version));
    let mut uki = esp::read(image, extent, &from)?.ok_or_else(|| {
        usage(format!(
            "{} has no {from} in its ESP: use an image of layout 2",
            image.display()
        ))
    })?;
    uki::set_version(&mut uki, &old, version)?;
    let mut parameters = changes.parameters.clone();
    let hashes = match changes.rehash {
        true => Some(rehash(image, &old, version)?),
        false => None,
    };
    parameters.extend(hashes.iter().map(|hashes| ParameterEdit::Set {
        name: "usrhash".into(),
        value: hashes.root_hex(),
    }));
    let cmdline = parameters
        .iter()
        .try_fold(uki::cmdline(&uki)?, |text, edit| edit.apply(&text))?;
    uki::set_cmdline(&mut uki, &cmdline)?;
    let written = (|| {
        StickImage::flash(image, target, fs::metadata(image)?.len())?;
        esp::rename(target, extent, &from, &to)?;
        esp::write(target, extent, &to, &uki)?;
        if let Some(hashes) = &hashes {
            let place = gpt::partition(target, &label(VERITY, &old))?.offset;
            let file = File::options().write(true).open(target)?;
            file.write_all_at(&hashes.area, place)?;
            let (store, verity) = hashes.partition_ids();
            gpt::set_partition_id(target, &label(STORE, &old), store)?;
            gpt::set_partition_id(target, &label(VERITY, &old), verity)?;
        }
        [VERITY, STORE]
            .iter()
            .try_for_each(|kind| gpt::rename(target, &label(kind, &old), &label(kind, version)))
    })();
    written.inspect_err(|_| {
        // A partial image is of no use.
        let _ = fs::remove_file(target);
    })
}

/// The hashes of the store of `image`, whose version is `old`, with a salt that begins with `version`.
fn rehash(image: &Path, old: &str, version: &str) -> Result<Hashes> {
    let mut file = File::open(image)?;
    let mut superblock = [0; rehash::SUPERBLOCK];
    let place = gpt::partition(image, &label(VERITY, old))?.offset;
    file.read_exact_at(&mut superblock, place)?;
    let mut salt = rehash::salt(&superblock);
    salt[..version.len()].copy_from_slice(version.as_bytes());
    let store = gpt::partition(image, &label(STORE, old))?;
    file.seek(SeekFrom::Start(store.offset))?;
    let store = BufReader::with_capacity(START, file.take(store.length));
    rehash::rehash(&superblock, &salt, store)
        .with_context(|| format!("cannot hash the store of {}", image.display()))
}

/// Flips the lowest bit of the byte at `offset` of the store in the `image`, so that the block with that byte can no longer be
/// read. erofs does not use byte 0, but the superblock is in the same block: with that byte flipped, the store cannot be mounted.
///
/// # Errors
/// `offset` is beyond the store's end, where nothing is read.
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
            "{}: the store has {end} bytes, so there is no byte {offset} to flip: choose a lower offset",
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
pub mod tests;
