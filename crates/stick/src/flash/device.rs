//! The target of flashing: a stick, or a plain file in its place. Everything else is refused.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};

use super::disk::DiskInfo;
use super::image::StickImage;
use super::os;
use crate::monitor::Monitor;
use crate::units::decimal_size;

/// An open target that passed all checks. A disk is opened exclusively, so nothing else can mount it.
pub struct Device {
    pub path: PathBuf,
    pub file: File,
    /// Bytes.
    pub size: u64,
    /// None for a plain file.
    pub disk: Option<DiskInfo>,
}

/// How to make a file in the place of a stick, where `path` does not mean a device.
fn or_a_file(path: &Path) -> String {
    match path.starts_with("/dev") {
        true => String::new(),
        false => format!(", or create the file: truncate -s 32G {}", path.display()),
    }
}

impl Device {
    /// Opens `path`, following symlinks, after checking that it may be overwritten.
    ///
    /// # Errors
    /// It does not exist, is neither a disk nor a file, or must not be written to.
    pub fn open(path: &Path, image: &StickImage, monitor: &dyn Monitor) -> Result<Self> {
        let refuse = |why: String| Error::msg(format!("{} {why}", path.display()));
        os::require_supported(path).map_err(|why| refuse(why.into()))?;
        let path = fs::canonicalize(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => refuse(format!(
                "does not exist: plug the stick in and look for its name ({}){}",
                os::LIST_COMMAND,
                or_a_file(path)
            )),
            _ => refuse(format!("cannot be opened: {error}")),
        })?;
        let meta = fs::metadata(&path)
            .with_context(|| format!("cannot read the type of {}", path.display()))?;
        let kind = meta.file_type();
        if kind.is_dir() {
            return Err(refuse("is a folder: give the stick's device".into()));
        }
        if !kind.is_file() && !os::is_disk(kind) {
            return Err(refuse(
                "is neither a disk nor a file: give the stick's device".into(),
            ));
        }
        let disk = if os::is_disk(kind) {
            let disk = os::probe(&path, monitor)?;
            if let Some(why) = disk.objection() {
                return Err(refuse(why));
            }
            Some(disk)
        } else {
            let source = fs::metadata(&image.path)?;
            let id = os::file_id(&source);
            if fs::canonicalize(&image.path).is_ok_and(|source| source == path)
                || (id.is_some() && id == os::file_id(&meta))
            {
                return Err(refuse(
                    "is the image itself: give the stick's device".into(),
                ));
            }
            if let Some(holder) = os::holder_of_file(&path) {
                return Err(refuse(format!("is in use by {holder}: release it first")));
            }
            // Root could write to it anyway; respect the read-only bit.
            if meta.permissions().readonly() {
                return Err(refuse(
                    "is read-only: chmod u+w it, or choose another file".into(),
                ));
            }
            None
        };
        let size = disk.as_ref().map_or(meta.len(), |disk| disk.size);
        let file =
            os::open(&path, disk.is_some()).map_err(|error| refuse(os::cannot_open(&error)))?;
        Ok(Device {
            path,
            file,
            size,
            disk,
        })
    }

    /// Lines that identify the disk and list what is on it now.
    pub fn describe(&self) -> Vec<String> {
        let size = decimal_size(self.size);
        let Some(disk) = &self.disk else {
            return vec![format!("{}: a plain file, {size}", self.path.display())];
        };
        let serial = disk
            .serial
            .as_ref()
            .map(|serial| format!("serial {serial}"));
        let facts = [
            disk.model.clone(),
            serial,
            Some(size),
            disk.transport.clone(),
            // A mounted disk is refused above.
            Some("not mounted".into()),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        let mut lines = vec![format!("{}: {}", self.path.display(), facts.join(", "))];
        lines.extend(
            disk.partitions
                .iter()
                .map(|part| format!("  now on it: {part}")),
        );
        lines
    }
}
