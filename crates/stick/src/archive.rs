//! Packing an image: compressed with zstd, split where it is too long, hashed on the way; and unpacking it again.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Error, Result};
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;
use zstd::zstd_safe::CParameter;

use crate::digest::{BLOCK, DigestThread, DigestWriter, FileDigest};
use crate::monitor::{Monitor, Pass};
use crate::sparse::SparseReader;
use crate::split::{Asset, SplitWriter};

/// Bytes that the decoder gives at a time: the most that one of zstd's blocks holds (RFC 8878, 3.1.1.2.3).
const STEP: usize = 128 << 10;

/// Bytes that a thread compresses at a time. zstd's own choice is larger, and Ctrl-C would wait for it.
const JOB: u32 = 4 << 20;

/// How an image is packed.
#[derive(Debug, Clone, Copy)]
pub struct PackOptions {
    /// zstd's level, 1 to 19.
    pub level: i32,
    /// The longest that a file may be, in bytes.
    pub limit: u64,
}

/// A packed image.
#[derive(Debug, PartialEq, Eq)]
pub struct ImageArchive {
    /// Of the image itself.
    pub digest: FileDigest,
    /// The compressed image: one file, or several to be joined in this order.
    pub assets: Vec<Asset>,
}

/// Packs `image` into `folder` as `name`, or in parts of that name. The image is read once.
///
/// # Errors
/// The image cannot be read or changes meanwhile, an asset cannot be written, or `monitor` ends the operation; no file is
/// left then.
pub fn pack(
    image: &Path,
    folder: &Path,
    name: &str,
    options: PackOptions,
    monitor: &dyn Monitor,
) -> Result<ImageArchive> {
    let shown = image.display();
    let unreadable = || format!("cannot read {shown}");
    let unwritable = || format!("cannot pack {shown} into {}", folder.display());
    let file = File::open(image).with_context(unreadable)?;
    let before = file.metadata().with_context(unreadable)?;
    let mut source = SparseReader::new(file).with_context(unreadable)?;
    let hash = DigestThread::start();
    let parts = SplitWriter::new(folder, options.limit);
    let mut encoder = encoder(parts, options.level, before.len()).with_context(unwritable)?;
    monitor.begin(Pass::Pack, before.len());
    loop {
        monitor.check()?;
        let mut block = vec![0; BLOCK];
        let length = source.read(&mut block).with_context(unreadable)?;
        if length == 0 {
            break;
        }
        block.truncate(length);
        encoder.write_all(&block).with_context(unwritable)?;
        hash.write(block)?;
        monitor.advance(length as u64);
    }
    let now = std::fs::metadata(image).with_context(unreadable)?;
    let digest = hash.finish()?;
    if identity(&now) != identity(&before) || digest.bytes != before.len() {
        return Err(Error::msg(format!(
            "{shown} changed while it was packed: run it again once nothing writes to it"
        )));
    }
    let parts = encoder.finish().with_context(unwritable)?;
    let assets = parts.finish(name)?;
    monitor.end(Pass::Pack);
    Ok(ImageArchive { digest, assets })
}

fn encoder(
    parts: SplitWriter,
    level: i32,
    length: u64,
) -> io::Result<Encoder<'static, SplitWriter>> {
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let mut encoder = Encoder::new(parts, level)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(length))?;
    encoder.multithread(u32::try_from(threads).unwrap_or(1))?;
    encoder.set_parameter(CParameter::JobSize(JOB))?;
    Ok(encoder)
}

/// Changes when a file is written to.
fn identity(file: &Metadata) -> (u64, Option<SystemTime>) {
    (file.len(), file.modified().ok())
}

/// The digests of `files`, and of the image in them when they are joined and decompressed (or why that fails). Each file
/// is read once.
///
/// # Errors
/// A file cannot be read, or `monitor` ends the operation.
pub fn unpack(
    files: &[PathBuf],
    monitor: &dyn Monitor,
) -> Result<(Vec<FileDigest>, Result<FileDigest, String>)> {
    let mut joined = Joined::new(files);
    let hash = DigestThread::start();
    let mut decoder = Decoder::new(&mut joined)?;
    let fault = loop {
        monitor.check()?;
        let mut block = vec![0; STEP];
        match decoder.read(&mut block) {
            Ok(0) => break None,
            Ok(read) => {
                block.truncate(read);
                hash.write(block)?;
            }
            Err(error) => break Some(format!("cannot be decompressed: {error}")),
        }
    };
    drop(decoder);
    let digests = joined.finish(monitor)?;
    let digest = hash.finish()?;
    Ok((digests, fault.map_or(Ok(digest), Err)))
}

/// Files read one after the other as if they were one; each is hashed on its own.
struct Joined<'a> {
    waiting: std::slice::Iter<'a, PathBuf>,
    open: Option<(File, &'a Path)>,
    hash: DigestWriter,
    done: Vec<FileDigest>,
    /// A failed read, which is not a fault of the archive.
    failed: Option<String>,
}

impl<'a> Joined<'a> {
    fn new(files: &'a [PathBuf]) -> Self {
        Joined {
            waiting: files.iter(),
            open: None,
            hash: DigestWriter::default(),
            done: Vec::new(),
            failed: None,
        }
    }

    fn step(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some((file, _)) = &mut self.open else {
                let Some(path) = self.waiting.next() else {
                    return Ok(0);
                };
                self.open = Some((File::open(path)?, path));
                continue;
            };
            let read = file.read(bytes)?;
            if read > 0 {
                self.hash.update(&bytes[..read]);
                return Ok(read);
            }
            self.open = None;
            self.done.push(std::mem::take(&mut self.hash).finish());
        }
    }

    /// The digest of each file; reads what the decoder left unread.
    fn finish(mut self, monitor: &dyn Monitor) -> Result<Vec<FileDigest>> {
        let mut rest = vec![0; BLOCK];
        loop {
            monitor.check()?;
            if let Some(failed) = self.failed {
                return Err(Error::msg(failed));
            }
            if self.read(&mut rest).context("cannot read the archive")? == 0 {
                return Ok(self.done);
            }
        }
    }
}

impl Read for Joined<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.step(bytes);
        if let Err(error) = &read {
            let place = self
                .open
                .as_ref()
                .map_or(Path::new("the archive"), |open| open.1);
            self.failed = Some(format!("cannot read {}: {error}", place.display()));
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{self, sha256_hex};
    use crate::monitor::NoMonitor;

    /// Noise between zeros (xorshift64: Marsaglia, "Xorshift RNGs", 2003).
    fn image(path: &Path) -> Vec<u8> {
        let mut bytes = vec![0; 3 << 20];
        let mut noise = 88_172_645_463_325_252_u64;
        for byte in &mut bytes[1 << 20..][..1 << 20] {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            *byte = noise.to_le_bytes()[3];
        }
        std::fs::write(path, &bytes).unwrap();
        bytes
    }

    fn packed(limit: u64) -> (tempfile::TempDir, ImageArchive, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let bytes = image(&path);
        let options = PackOptions { level: 3, limit };
        let archive = pack(&path, folder.path(), "x.zst", options, &NoMonitor).unwrap();
        (folder, archive, bytes)
    }

    #[test]
    fn an_archive_unpacks_to_the_image() {
        let (folder, archive, bytes) = packed(1 << 30);
        assert_eq!(archive.assets.len(), 1);
        assert_eq!(archive.assets[0].file, "x.zst");
        let asset = std::fs::read(folder.path().join("x.zst")).unwrap();
        assert!(zstd::decode_all(&asset[..]).unwrap() == bytes);
        assert_eq!(archive.digest.sha256, sha256_hex(&bytes));
        assert_eq!(archive.digest.bytes, bytes.len() as u64);
        assert_eq!(archive.assets[0].digest.sha256, sha256_hex(&asset));
    }

    #[test]
    fn joined_parts_unpack_to_the_image() {
        let (folder, archive, bytes) = packed(200_000);
        assert!(archive.assets.len() > 1);
        let mut joined = Vec::new();
        for asset in &archive.assets {
            assert!(asset.digest.bytes <= 200_000);
            joined.extend(std::fs::read(folder.path().join(&asset.file)).unwrap());
        }
        assert!(zstd::decode_all(&joined[..]).unwrap() == bytes);
    }

    #[test]
    fn a_sparse_image_survives_packing_and_unpacking() {
        use std::io::{Seek, SeekFrom};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        let mut file = File::create_new(&path).unwrap();
        for (at, text) in [(3 << 20, "first"), (100 << 20, "second")] {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        file.set_len((230 << 20) + 77).unwrap();
        let (level, limit) = (1, 1 << 30);
        let options = PackOptions { level, limit };
        let archive = pack(&path, folder.path(), "x.zst", options, &NoMonitor).unwrap();
        let (assets, unpacked) = unpack(&[folder.path().join("x.zst")], &NoMonitor).unwrap();
        assert_eq!(assets[0], archive.assets[0].digest);
        assert_eq!(unpacked.unwrap(), archive.digest);
        assert_eq!(digest::of_file(&path, &NoMonitor).unwrap(), archive.digest);
    }
}
