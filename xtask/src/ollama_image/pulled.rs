//! Has Docker on this machine pull the image, once for all machines under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use stick::digest::sha256_hex;
use vm::process;

use crate::error::usage;
use crate::packages;

/// Gigabytes over a home's line.
const PULL: Duration = Duration::from_secs(3600);
/// Gigabytes to a slow disk.
const SAVE: Duration = Duration::from_secs(1200);

/// The archive of the image called `name`, kept in `cache`.
///
/// # Errors
/// Docker is not installed, or the registry lacks the image or does not answer.
pub fn archive(name: &str, cache: &Path) -> Result<PathBuf> {
    let digest = sha256_hex(name.as_bytes());
    let path = cache.join(format!("ollama-pulled-{}.tar", &digest[..16]));
    if path.exists() {
        return Ok(path);
    }
    if !packages::has("docker") {
        return Err(usage(
            "--ollama pull needs Docker on this machine: install it, or give an archive of `docker save`",
        ));
    }
    let mut pull = process::command("docker");
    pull.args(["pull", "--platform", "linux/amd64", name]);
    process::run(pull, "docker pull", PULL).map_err(|error| {
        usage(format!(
            "cannot pull {name} ({error:#}): check the network and the tag, or give an archive of `docker save`"
        ))
    })?;
    // `docker save` writes tags only, and an image that was pulled by its digest has none.
    let tagged = super::without_digest(name);
    if tagged != name {
        let mut tag = process::command("docker");
        tag.args(["tag", name, tagged]);
        process::run(tag, "docker tag", SAVE)?;
    }
    let made = tempfile::NamedTempFile::new_in(cache)?;
    let mut save = process::command("docker");
    save.args(["save", "-o"]).arg(made.path()).arg(tagged);
    process::run(save, "docker save", SAVE)?;
    // Images of other versions are not used again.
    for entry in fs::read_dir(cache)?.flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("ollama-pulled-")
        {
            let _ = fs::remove_file(entry.path());
        }
    }
    made.persist(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
