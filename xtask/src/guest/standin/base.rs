//! The base in the cache: found, or made once however many processes ask for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;

use ::stick::digest::DigestWriter;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use uuid::Uuid;

use super::{bootstrap, failure, recipe, stick};
use crate::error::usage;
use vm::process;

/// Counted up when the code that makes the base changes in a way that the other inputs do not show.
const LAYOUT: &str = "2";
const PREFIX: &str = "standin-";
/// Unfinished folders; the process that holds the lock may remove them.
const MAKING: &str = ".making-standin-";

/// A finished base: the folder of one cache entry.
#[derive(Debug, Clone)]
pub struct Base {
    folder: PathBuf,
}

impl Base {
    pub fn kernel(&self) -> PathBuf {
        self.folder.join("kernel")
    }

    pub fn initrd(&self) -> PathBuf {
        self.folder.join("initrd")
    }

    pub fn image(&self) -> PathBuf {
        self.folder.join("stick.img")
    }

    /// A file that base-hook.sh copied out of the system: `passwd`, `group`, `shadow`.
    pub fn fact(&self, name: &str) -> Result<String> {
        let path = self.folder.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    #[cfg(test)]
    pub fn at(folder: &Path) -> Self {
        Base {
            folder: folder.to_path_buf(),
        }
    }
}

/// A name made from everything that goes into the base.
fn entry_name(disk_id: Uuid) -> String {
    let mut digest = DigestWriter::default();
    for part in [
        LAYOUT,
        recipe::SUITE,
        recipe::MIRROR,
        recipe::HOOK,
        recipe::INIT,
        &recipe::PACKAGES.join(" "),
        &stick::shape(disk_id),
    ] {
        digest.update(part.as_bytes());
        digest.update(&[0]);
    }
    format!("{PREFIX}{}", &digest.finish().sha256[..16])
}

/// The base from the cache; made first, or waited for, when it is not there.
pub fn ensure(cache: &Path, disk_id: Uuid, say: &mut dyn FnMut(&str)) -> Result<Base> {
    let name = entry_name(disk_id);
    let base = Base {
        folder: cache.join(&name),
    };
    if base.image().exists() {
        return Ok(base);
    }
    fs::create_dir_all(cache)
        .map_err(|error| usage(format!("cannot make the cache {}: {error}; set OLLAMALIVE_CACHE to a folder that can be written", cache.display())))?;
    let _lock = lock(cache, say)?;
    // The last holder of the lock may have made it.
    if base.image().exists() {
        return Ok(base);
    }
    sweep(cache, MAKING, "");
    say("making the stand-in guest's Debian (once, about a minute where the network is quick)");
    let folder = tempfile::Builder::new()
        .prefix(MAKING)
        .tempdir_in(cache)
        .map_err(|error| {
            failure::explain(
                "cannot make a folder for the stand-in guest",
                &error.to_string(),
                cache,
            )
        })?;
    bootstrap::make(folder.path(), cache, disk_id, say)?;
    let made = folder.keep();
    fs::rename(&made, &base.folder).with_context(|| {
        format!(
            "cannot put the stand-in guest into {}",
            base.folder.display()
        )
    })?;
    sweep(cache, PREFIX, &name);
    Ok(base)
}

/// One process makes the base, the others wait for it. The lock ends with its process.
fn lock(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<Flock<File>> {
    let path = cache.join("standin.lock");
    let mut file = File::create(&path).map_err(|error| {
        usage(format!(
            "cannot write {}: {error}; set OLLAMALIVE_CACHE to a folder that can be written",
            path.display()
        ))
    })?;
    let mut told = false;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
            Err((_, error)) => {
                return Err(usage(format!("cannot lock {}: {error}", path.display())));
            }
        }
        if !told {
            say("another process is making the stand-in guest: waiting for it");
            told = true;
        }
        process::check_interrupt()?;
        thread::sleep(process::POLL);
    }
}

/// Removes the cache's folders that start with `prefix`, except `kept`. A folder that cannot be removed only takes up space.
fn sweep(cache: &Path, prefix: &str, kept: &str) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && name != kept && entry.path().is_dir() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_named_by_its_content_and_found_again() {
        let cache = tempfile::tempdir().unwrap();
        let id = Uuid::from_u128(5);
        let name = entry_name(id);
        assert_eq!(name.len(), PREFIX.len() + 16);
        fs::create_dir(cache.path().join(&name)).unwrap();
        fs::write(cache.path().join(&name).join("stick.img"), "").unwrap();
        let base = ensure(cache.path(), id, &mut |line| {
            panic!("nothing is made: {line}")
        })
        .unwrap();
        assert_eq!(base.image(), cache.path().join(name).join("stick.img"));
    }

    #[test]
    fn sweeping_keeps_the_entry_in_use_and_other_folders() {
        let cache = tempfile::tempdir().unwrap();
        for name in ["standin-old", "standin-new", "nixos"] {
            fs::create_dir(cache.path().join(name)).unwrap();
        }
        sweep(cache.path(), PREFIX, "standin-new");
        assert!(!cache.path().join("standin-old").exists());
        assert!(cache.path().join("standin-new").exists() && cache.path().join("nixos").exists());
    }

    #[test]
    fn a_process_waits_for_the_lock_of_another() {
        let cache = tempfile::tempdir().unwrap();
        let held = lock(cache.path(), &mut |_| ()).unwrap();
        let mut said = Vec::new();
        let folder = cache.path().to_path_buf();
        let waiting = thread::spawn(move || {
            lock(&folder, &mut |line| said.push(line.to_string())).unwrap();
            said
        });
        thread::sleep(5 * process::POLL);
        drop(held);
        assert_eq!(
            waiting.join().unwrap(),
            ["another process is making the stand-in guest: waiting for it"]
        );
    }
}
