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
/// Docker is not installed, or the registry lacks the image, has another one in its place, or does not answer.
pub fn archive(name: &str, cache: &Path) -> Result<PathBuf> {
    archive_by("docker", name, cache)
}

/// [`archive`] with this program in Docker's place.
fn archive_by(docker: &str, name: &str, cache: &Path) -> Result<PathBuf> {
    let digest = sha256_hex(name.as_bytes());
    let path = cache.join(format!("ollama-pulled-{}.tar", &digest[..16]));
    if path.exists() {
        return Ok(path);
    }
    if !packages::has(docker) {
        return Err(usage(
            "--ollama pull needs Docker on this machine: install it, or give an archive of `docker save`",
        ));
    }
    let mut pull = process::command(docker);
    pull.args(["pull", "--platform", "linux/amd64", name]);
    process::run(pull, "docker pull", PULL).map_err(|error| {
        usage(format!(
            "cannot pull {name} ({error:#}): check the network, the tag and the digest, or give an archive of `docker save`"
        ))
    })?;
    // `docker save` writes tags only, and an image that was pulled by its digest has none.
    let tagged = super::without_digest(name);
    if tagged != name {
        let mut tag = process::command(docker);
        tag.args(["tag", name, tagged]);
        process::run(tag, "docker tag", SAVE)?;
    }
    let made = tempfile::NamedTempFile::new_in(cache)?;
    let mut save = process::command(docker);
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NAME: &str = "ollama/ollama:1.2@sha256:ab";

    /// A program in Docker's place.
    fn docker(folder: &Path, script: &str) -> String {
        let path = folder.join("docker");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    #[test]
    fn a_digest_that_does_not_match_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let mismatch = "manifest verification failed for digest sha256:ab";
        let docker = docker(
            folder.path(),
            &format!("echo one >&2; echo '{mismatch}' >&2; exit 1"),
        );
        let error = archive_by(&docker, NAME, folder.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot pull {NAME} (docker pull: {mismatch}): check the network, the tag and the digest, or give an archive of \
                 `docker save`"
            )
        );
        let none = archive_by("/no/such/docker", NAME, folder.path()).unwrap_err();
        assert!(none.to_string().contains("needs Docker"), "{none}");
    }

    #[test]
    fn what_was_pulled_by_its_digest_is_saved_by_its_tag_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let docker = docker(
            folder.path(),
            &format!(
                "echo \"$@\" >> {}; [ $1 != save ] || echo saved > $3",
                log.display()
            ),
        );
        let path = archive_by(&docker, NAME, folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "saved\n");
        let calls = fs::read_to_string(&log).unwrap();
        let calls: Vec<&str> = calls.lines().collect();
        assert_eq!(
            calls[..2],
            [
                "pull --platform linux/amd64 ollama/ollama:1.2@sha256:ab",
                "tag ollama/ollama:1.2@sha256:ab ollama/ollama:1.2"
            ]
        );
        assert!(calls[2].ends_with(" ollama/ollama:1.2"), "{calls:?}");
        assert_eq!(
            archive_by("/no/such/docker", NAME, folder.path()).unwrap(),
            path
        );
    }
}
