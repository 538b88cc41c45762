//! A USB stick as a raw, sparse file.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{FallocateFlags, fallocate};
use stick::esp;
use stick::gpt::{self, Extent, SECTOR};
use vm::process;

use super::filesystems::{self, COPY_DEADLINE};

/// The ext4 superblock, and the file system's UUID in it (Linux, Documentation/filesystems/ext4/super.rst).
const SUPERBLOCK: u64 = 1024;
const UUID_OFFSET: u64 = 0x68;

/// A USB stick as a raw, sparse file.
#[derive(Debug, Clone)]
pub struct StickImage {
    pub path: PathBuf,
    /// The stick's write-protect switch is on.
    pub read_only: bool,
}

impl StickImage {
    /// A stick of `bytes` with the image written to its start.
    pub fn flash(image: &Path, path: &Path, bytes: u64) -> Result<Self> {
        // The content of an older file must not show through.
        let _ = fs::remove_file(path);
        let mut copy = process::command("cp");
        copy.args(["--reflink=auto", "--sparse=always", "--"])
            .arg(image)
            .arg(path);
        process::run(copy, "copying the image to a stick", COPY_DEADLINE)?;
        // Files of the Nix store are read-only, and so are their copies.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let file = OpenOptions::new().write(true).open(path)?;
        let length = file.metadata()?.len();
        if length > bytes {
            bail!("the image ({length} bytes) does not fit a stick of {bytes} bytes");
        }
        file.set_len(bytes)
            .with_context(|| format!("cannot size {}", path.display()))?;
        Ok(StickImage {
            path: path.to_path_buf(),
            read_only: false,
        })
    }

    /// Writes the image over the start of the stick, as a flashing tool does, and leaves the rest alone.
    pub fn reflash(&self, image: &Path) -> Result<()> {
        let length = fs::metadata(image)?.len();
        let file = OpenOptions::new().write(true).open(&self.path)?;
        // Zeros first, so that only the other bytes have to be written.
        let all = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        fallocate(&file, all, 0, i64::try_from(length)?)
            .with_context(|| format!("cannot clear {}", self.path.display()))?;
        let mut copy = process::command("dd");
        copy.arg(format!("if={}", image.display()))
            .arg(format!("of={}", self.path.display()))
            .args(["bs=1M", "conv=notrunc,sparse", "status=none"]);
        process::run(copy, "writing the image over a stick", COPY_DEADLINE).map(drop)
    }

    /// The extent of the partition called `name`, from the primary GPT.
    pub fn partition(&self, name: &str) -> Result<Extent> {
        gpt::partition(&self.path, name)
    }

    /// Puts a file into the folder of the ESP that the machine imports from.
    pub fn put(&self, name: &str, content: &[u8]) -> Result<()> {
        esp::put(&self.path, self.partition("ESP")?, name, content)
    }

    /// Makes an ext4 file system of `length` bytes with the files under `content` at the start of `partition`.
    pub fn format(&self, partition: &str, length: u64, content: &Path) -> Result<()> {
        let offset = self.partition(partition)?.offset;
        let mut make = process::command("mke2fs");
        make.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-L", partition])
            .arg("-E")
            .arg(format!(
                "offset={offset},root_owner=0:0,lazy_itable_init=1,nodiscard"
            ))
            .arg("-d")
            .arg(content)
            .arg(&self.path)
            .arg(format!("{}k", length / 1024));
        process::run(make, "making the PERSIST file system", COPY_DEADLINE).map(drop)
    }

    /// Fills the file system of `partition` to the last block.
    pub fn fill(&self, partition: &str, folder: &Path) -> Result<()> {
        let device = format!(
            "{}?offset={}",
            self.path.display(),
            self.partition(partition)?.offset
        );
        filesystems::fill(&device, folder)
    }

    /// Overwrites the first `bytes` of `partition` with noise.
    pub fn garble(&self, partition: &str, bytes: usize) -> Result<()> {
        let mut noise = vec![0; bytes];
        std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut noise)?;
        OpenOptions::new()
            .write(true)
            .open(&self.path)?
            .write_all_at(&noise, self.partition(partition)?.offset)
            .context("cannot garble the stick")
    }

    /// Shortens the stick to `bytes`, rounded down to a sector.
    pub fn cut_off(&self, bytes: u64) -> Result<()> {
        OpenOptions::new()
            .write(true)
            .open(&self.path)?
            .set_len(bytes / SECTOR * SECTOR)
            .with_context(|| format!("cannot size {}", self.path.display()))
    }

    /// The 16 bytes in the place of the file system's UUID: a new file system changes them.
    pub fn mark(&self, partition: &str) -> Result<[u8; 16]> {
        let mut mark = [0; 16];
        File::open(&self.path)?.read_exact_at(
            &mut mark,
            self.partition(partition)?.offset + SUPERBLOCK + UUID_OFFSET,
        )?;
        Ok(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk_fixtures::test_image;

    #[test]
    fn persist_grows_to_the_end_and_keeps_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let image = test_image(folder.path());
        let stick = StickImage::flash(&image, &folder.path().join("stick"), 96 << 20).unwrap();
        let before = stick.partition("PERSIST").unwrap();
        let after = gpt::grow(&stick.path, "PERSIST").unwrap();
        assert_eq!(before.offset, after.offset);
        assert_eq!(before.length, 16 << 20);
        assert_eq!(after.offset + after.length, 95 << 20);
        assert_eq!(stick.partition("PERSIST").unwrap(), after);
        assert_eq!(
            stick.partition("STORE").unwrap(),
            gpt::partition(&image, "STORE").unwrap()
        );
    }

    #[test]
    fn a_reflash_restores_the_image_and_leaves_the_bytes_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let image = test_image(folder.path());
        let end = fs::metadata(&image).unwrap().len();
        let stick = StickImage::flash(&image, &folder.path().join("stick"), 96 << 20).unwrap();
        gpt::grow(&stick.path, "PERSIST").unwrap();
        let file = OpenOptions::new().write(true).open(&stick.path).unwrap();
        file.write_all_at(b"old system", 9 << 20).unwrap();
        file.write_all_at(b"data", end).unwrap();
        stick.reflash(&image).unwrap();
        let now = fs::read(&stick.path).unwrap();
        assert!(now[..end as usize] == fs::read(&image).unwrap()[..]);
        assert_eq!(&now[end as usize..][..4], b"data");
        assert_eq!(now.len(), 96 << 20);
    }

    #[test]
    fn a_stick_that_is_too_small_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = test_image(folder.path());
        assert!(StickImage::flash(&image, &folder.path().join("stick"), 1 << 20).is_err());
    }

    #[test]
    fn a_garbled_file_system_has_another_mark() {
        let folder = tempfile::tempdir().unwrap();
        let image = test_image(folder.path());
        let stick = StickImage::flash(&image, &folder.path().join("stick"), 96 << 20).unwrap();
        let before = stick.mark("PERSIST").unwrap();
        stick.garble("PERSIST", 1 << 20).unwrap();
        assert_ne!(stick.mark("PERSIST").unwrap(), before);
    }
}
