//! Writes the files that a command line asks for.

use std::fs::{self, OpenOptions};
use std::path::Path;

use anyhow::Result;

use crate::error::usage;

/// Fails if [`write()`] could not write `file`: to be asked before the work whose result goes there.
///
/// # Errors
/// The file cannot be created or opened.
pub fn require_writable(file: &Path) -> Result<()> {
    let new = !file.exists();
    let open = OpenOptions::new().append(true).create(true).open(file);
    open.map_err(|error| usage(format!("cannot write {}: {error}", file.display())))?;
    if new {
        // There is nothing to put into it yet.
        let _ = fs::remove_file(file);
    }
    Ok(())
}

/// Writes `text` and a line end to `file`.
///
/// # Errors
/// The file cannot be written.
pub fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, format!("{text}\n"))
        .map_err(|error| usage(format!("cannot write {}: {error}", file.display())))
}
