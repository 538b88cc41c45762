//! A USB stick as a raw, sparse file.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{FallocateFlags, fallocate};
use stick::digest::DigestWriter;
use stick::esp;
use stick::gpt::{self, Extent, SECTOR};
use vm::process;

use super::filesystems::{self, COPY_DEADLINE};

/// The ext4 superblock, and fields in it: the number of blocks, the logarithm of their size in KiB, and the file system's
/// UUID (Linux, Documentation/filesystems/ext4/super.rst).
const SUPERBLOCK: u64 = 1024;
const BLOCKS_OFFSET: u64 = 0x4;
const BLOCK_SIZE_OFFSET: u64 = 0x18;
const UUID_OFFSET: u64 = 0x68;
/// What Windows' diskpart and Etcher empty at both ends of a stick.
const ENDS: u64 = 1 << 20;

/// PERSIST's file system on a stick that was emptied at both ends and then got the image again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emptied {
    /// The SHA-256 of the file system's bytes, before and after.
    pub before: String,
    pub after: String,
    /// Bytes from the end of the file system to the end of the stick.
    pub distance: u64,
}

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

    /// Empties both ends of the stick, as Windows' tools do, and writes the image over its start.
    pub fn empty_and_reflash(&self, image: &Path, persist: &str) -> Result<Emptied> {
        let region = self.file_system(persist)?;
        let before = self.sha256(&region)?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let length = file.metadata()?.len();
        for at in [0, length - ENDS] {
            file.write_all_at(&vec![0; ENDS as usize], at)?;
        }
        self.reflash(image)?;
        Ok(Emptied {
            before,
            after: self.sha256(&region)?,
            distance: length.saturating_sub(region.end),
        })
    }

    /// The bytes of the ext4 file system on `partition`, which may end before it.
    fn file_system(&self, partition: &str) -> Result<Range<u64>> {
        let file = File::open(&self.path)?;
        let offset = self.partition(partition)?.offset;
        let number = |at: u64| -> Result<u64> {
            let mut bytes = [0; 4];
            file.read_exact_at(&mut bytes, offset + SUPERBLOCK + at)?;
            Ok(u32::from_le_bytes(bytes).into())
        };
        let (blocks, size) = (number(BLOCKS_OFFSET)?, 1024 << number(BLOCK_SIZE_OFFSET)?);
        Ok(offset..offset + blocks * size)
    }

    /// The SHA-256 of a part of the stick.
    fn sha256(&self, region: &Range<u64>) -> Result<String> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(region.start))?;
        let mut digest = DigestWriter::default();
        std::io::copy(&mut file.take(region.end - region.start), &mut digest)?;
        Ok(digest.finish().sha256)
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

    /// Writes to both ends of the slot that the image leaves empty: what an older system has left there.
    ///
    /// # Errors
    /// There is no such slot, or it cannot be written.
    pub fn soil_slot_b(&self) -> Result<()> {
        let partitions = gpt::partitions(&self.path)?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let old = vec![0xa5; ENDS as usize];
        for slot in gpt::named(&partitions, "_empty") {
            file.write_all_at(&old, slot.offset)?;
            file.write_all_at(&old, slot.offset + slot.length - ENDS)?;
        }
        Ok(())
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
    use stick::testing::test_image;

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
            stick.partition("store_1").unwrap(),
            gpt::partition(&image, "store_1").unwrap()
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
    fn what_tools_empty_at_both_ends_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let image = test_image(folder.path());
        let stick = StickImage::flash(&image, &folder.path().join("stick"), 96 << 20).unwrap();
        gpt::grow(&stick.path, "PERSIST").unwrap();
        let content = tempfile::tempdir().unwrap();
        let offset = stick.partition("PERSIST").unwrap().offset;
        let file = OpenOptions::new().write(true).open(&stick.path).unwrap();
        for (distance, kept) in [(2 << 20, true), (1 << 16, false)] {
            let end = (96 << 20) - distance;
            gpt::grow(&stick.path, "PERSIST").unwrap();
            stick
                .format("PERSIST", end - offset, content.path())
                .unwrap();
            file.write_all_at(b"the last bytes", end - 100).unwrap();
            let emptied = stick.empty_and_reflash(&image, "PERSIST").unwrap();
            assert_eq!(emptied.distance, distance);
            assert_eq!(emptied.before == emptied.after, kept, "{distance}");
        }
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
