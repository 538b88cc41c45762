//! File systems on the machine's disks, made by their own tools.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use stick::gpt::SECTOR;
use vm::process;

/// Copying an image and making a file system; slow disks get minutes.
pub const COPY_DEADLINE: Duration = Duration::from_secs(300);

/// A Windows drive for the models: `id` is `LABEL=…` or `UUID=…`, as in the configuration.
///
/// # Errors
/// `id` has another form, or mkntfs fails.
pub fn models_drive(path: &Path, id: &str) -> Result<()> {
    const BYTES: u64 = 256 << 20;
    /// The NTFS boot sector keeps the volume's serial number here, little-endian; its mirror is the last sector.
    const SERIAL: u64 = 0x48;
    let file = fs::File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    file.set_len(BYTES)?;
    let (kind, value) = id
        .split_once('=')
        .with_context(|| format!("models drive {id}: not LABEL=… or UUID=…"))?;
    let mut make = process::command("mkntfs");
    make.args(["--quick", "--force", "--quiet"])
        // The label is UTF-8.
        .env("LC_ALL", "C.UTF-8");
    if kind == "LABEL" {
        make.args(["--label", value]);
    }
    make.arg(path);
    process::run(make, "making the models drive", COPY_DEADLINE)?;
    if kind == "UUID" {
        let serial = u64::from_str_radix(value, 16)
            .with_context(|| format!("models drive {id}: not 16 hex digits"))?;
        let file = OpenOptions::new().write(true).open(path)?;
        for sector in [0, BYTES - SECTOR] {
            file.write_all_at(&serial.to_le_bytes(), sector + SERIAL)?;
        }
    }
    Ok(())
}

/// Puts a file into the top folder of the NTFS drive in `image`. `folder` holds a temporary copy.
pub fn put_on_ntfs(image: &Path, name: &str, content: &[u8], folder: &Path) -> Result<()> {
    let source = folder.join(name);
    fs::write(&source, content)?;
    let mut copy = process::command("ntfscp");
    copy.args(["--quiet", "--force"])
        .args([image, source.as_path(), Path::new(name)]);
    process::run(copy, "writing to the models drive", COPY_DEADLINE)?;
    Ok(fs::remove_file(&source)?)
}

/// Puts a file of 64 KiB on the NTFS drive in `image`, and returns the number of its first sector (512 bytes).
pub fn put_unreadable(image: &Path, name: &str, folder: &Path) -> Result<u64> {
    const BYTES: usize = 64 << 10;
    // The sector is found by its random content.
    let mut content = vec![0; BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut content)?;
    put_on_ntfs(image, name, &content, folder)?;
    let mut drive = fs::File::open(image)?;
    let mut sector = [0; SECTOR as usize];
    for number in 0.. {
        drive
            .read_exact(&mut sector)
            .with_context(|| format!("cannot find {name} on {}", image.display()))?;
        if sector == content[..sector.len()] {
            return Ok(number);
        }
    }
    unreachable!("the drive has an end")
}

/// Fills the ext4 file system on `device` (a path, with `?offset=` behind it where it is inside a file) to the last
/// block. `folder` holds a temporary file of that size.
pub fn fill(device: &str, folder: &Path) -> Result<()> {
    let filler = folder.join("filler");
    // The first round leaves room for its own block map; the second fills the rest, in single blocks.
    for (round, whole) in [(0, true), (1, false)] {
        let free = free_blocks(device)?;
        let blocks = if whole { free - free / 64 } else { free };
        let mut noise = fs::File::create(&filler)?;
        let length = blocks.saturating_sub(8) * BLOCK;
        std::io::copy(
            &mut std::io::Read::take(fs::File::open("/dev/urandom")?, length),
            &mut noise,
        )?;
        let mut write = process::command("debugfs");
        write
            .args(["-w", "-R"])
            .arg(format!("write {} filler-{round}", filler.display()))
            .arg(device);
        process::run(write, "filling PERSIST", COPY_DEADLINE)?;
    }
    fs::remove_file(&filler)?;
    Ok(())
}

const BLOCK: u64 = 4096;

fn free_blocks(device: &str) -> Result<u64> {
    let mut show = process::command("debugfs");
    show.args(["-R", "show_super_stats -h"]).arg(device);
    let shown = process::run(show, "reading PERSIST's superblock", COPY_DEADLINE)?;
    shown
        .lines()
        .find_map(|line| line.strip_prefix("Free blocks:"))
        .and_then(|number| number.trim().parse().ok())
        .with_context(|| format!("debugfs did not print the number of free blocks:\n{shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_with_spaces_brackets_and_umlauts_is_on_the_drive() {
        const LABEL: &str = "My Models [1] ä";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("models.img");
        models_drive(&path, &format!("LABEL={LABEL}")).unwrap();
        let mut show = process::command("blkid");
        show.args(["-p", "-s", "LABEL", "-o", "value"]).arg(&path);
        let shown = process::run(show, "blkid", COPY_DEADLINE).unwrap();
        assert_eq!(shown.trim_end(), LABEL);
    }

    #[test]
    fn a_filled_file_system_has_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        fs::File::create(&disk).unwrap().set_len(40 << 20).unwrap();
        let mut make = process::command("mke2fs");
        make.args([
            "-q",
            "-F",
            "-t",
            "ext4",
            "-b",
            "4096",
            "-E",
            "offset=1048576",
        ])
        .arg(&disk)
        .arg("32768k");
        process::run(make, "mke2fs", COPY_DEADLINE).unwrap();
        let device = format!("{}?offset=1048576", disk.display());
        assert!(free_blocks(&device).unwrap() > 1000);
        fill(&device, folder.path()).unwrap();
        assert!(free_blocks(&device).unwrap() < 64);
    }
}
