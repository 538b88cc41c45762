//! The stick's FAT partition (ESP), read and written as any computer does.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
use fscommon::{BufStream, StreamSlice};

use super::gpt::Extent;

/// The folder that the machine reads.
pub const FOLDER: &str = "ollamalive";

fn slice(file: File, extent: Extent) -> Result<BufStream<StreamSlice<File>>> {
    let end = extent.offset + extent.length;
    let slice = StreamSlice::new(file, extent.offset, end)
        .context("the ESP lies beyond the end of the disk")?;
    Ok(BufStream::new(slice))
}

/// Makes an empty FAT file system with [`FOLDER`] in it.
///
/// # Errors
/// The disk cannot be written, or `extent` is too small for FAT.
pub fn format(file: File, extent: Extent) -> Result<()> {
    let mut volume = slice(file, extent)?;
    let label = *b"ESP        ";
    fatfs::format_volume(&mut volume, FormatVolumeOptions::new().volume_label(label))
        .context("cannot make the ESP's file system")?;
    let system = FileSystem::new(volume, FsOptions::new())?;
    system.root_dir().create_dir(FOLDER)?;
    system.unmount().context("cannot finish the ESP")
}

/// The file system on `file`, which is that of the `disk` or image.
fn open(
    file: File,
    disk: &Path,
    extent: Extent,
) -> Result<FileSystem<BufStream<StreamSlice<File>>>> {
    FileSystem::new(slice(file, extent)?, FsOptions::new())
        .with_context(|| format!("the ESP of {} is not a FAT file system", disk.display()))
}

fn open_to_write(disk: &Path, extent: Extent) -> Result<FileSystem<BufStream<StreamSlice<File>>>> {
    let file = File::options()
        .read(true)
        .write(true)
        .open(disk)
        .with_context(|| format!("cannot write {}", disk.display()))?;
    open(file, disk, extent)
}

/// Writes `content` to the file `name`, a path in [`FOLDER`], in the ESP of the disk or image at `disk`.
///
/// # Errors
/// Not a FAT file system, or no room in it.
pub fn put(disk: &Path, extent: Extent, name: &str, content: &[u8]) -> Result<()> {
    write(disk, extent, &format!("{FOLDER}/{name}"), content)
}

/// As [`put`], for a path from the ESP's root.
///
/// # Errors
/// As there.
pub fn write(disk: &Path, extent: Extent, path: &str, content: &[u8]) -> Result<()> {
    let system = open_to_write(disk, extent)?;
    let mut folder = system.root_dir();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_some() {
            folder = folder.create_dir(part)?;
        } else {
            let mut target = folder.create_file(part)?;
            target.write_all(content)?;
            // Of a longer file before it.
            target.truncate()?;
        }
    }
    drop(folder);
    system.unmount().context("cannot finish the ESP")
}

/// Gives the file at `path`, from the ESP's root, the path `new`.
///
/// # Errors
/// Not a FAT file system, there is no such file, or `new` exists.
pub fn rename(disk: &Path, extent: Extent, path: &str, new: &str) -> Result<()> {
    let system = open_to_write(disk, extent)?;
    let root = system.root_dir();
    root.rename(path, &root, new)
        .with_context(|| format!("cannot rename {path} in the ESP to {new}"))?;
    drop(root);
    system.unmount().context("cannot finish the ESP")
}

/// The content of the file `name`, a path in [`FOLDER`], in the ESP of the disk or image at `disk`; None when there is no
/// such file.
///
/// # Errors
/// Not a FAT file system, or it cannot be read.
pub fn get(disk: &Path, extent: Extent, name: &str) -> Result<Option<Vec<u8>>> {
    read(disk, extent, &format!("{FOLDER}/{name}"))
}

/// As [`get`], for a path from the ESP's root.
///
/// # Errors
/// As there.
pub fn read(disk: &Path, extent: Extent, path: &str) -> Result<Option<Vec<u8>>> {
    let file = File::open(disk).with_context(|| format!("cannot read {}", disk.display()))?;
    let system = open(file, disk, extent)?;
    let mut content = Vec::new();
    match system.root_dir().open_file(path) {
        Ok(mut found) => found.read_to_end(&mut content)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {path} in the ESP")),
    };
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        let extent = Extent {
            offset: 1 << 20,
            length: 40 << 20,
        };
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&disk)
            .unwrap();
        file.set_len(42 << 20).unwrap();
        format(file.try_clone().unwrap(), extent).unwrap();
        put(&disk, extent, "authorized_keys", b"a longer text").unwrap();
        put(&disk, extent, "authorized_keys", b"key\r\n").unwrap();
        put(&disk, extent, "network/Home.nmconnection", b"[connection]").unwrap();

        drop(file);
        let read = |name: &str| get(&disk, extent, name).unwrap();
        assert_eq!(read("authorized_keys").unwrap(), b"key\r\n");
        assert_eq!(read("network/Home.nmconnection").unwrap(), b"[connection]");
        assert_eq!(read("network/Other.nmconnection"), None);

        let (old, new) = ("EFI/Linux/a_long_name_1.efi", "EFI/Linux/a_long_name_2.efi");
        write(&disk, extent, old, b"system").unwrap();
        rename(&disk, extent, old, new).unwrap();
        assert_eq!(super::read(&disk, extent, old).unwrap(), None);
        assert_eq!(super::read(&disk, extent, new).unwrap().unwrap(), b"system");
        assert!(rename(&disk, extent, old, new).is_err());
    }
}
