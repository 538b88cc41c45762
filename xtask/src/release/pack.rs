//! An image becomes an asset: read once, hashed and compressed at the same time.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::frames::Frames;
use super::hash::Aside;
use super::image::Image;
use super::manifest::Packed;
use super::parts::Parts;
use super::sparse;
use crate::error::usage;
use vm::process;

/// How often progress is told.
const TELL: Duration = Duration::from_secs(10);

/// How an image is packed.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// zstd's, 1 to 19.
    pub level: i32,
    /// The longest a file may get, in bytes.
    pub limit: u64,
}

/// Packs `image` into `folder` as `file`.zst, or in parts of it.
///
/// # Errors
/// The image cannot be read or changes meanwhile, the asset cannot be written, or Ctrl-C is pressed; nothing is left
/// then.
pub fn pack(
    image: &Image,
    file: &str,
    folder: &Path,
    manner: Manner,
    tell: &mut dyn FnMut(&str),
) -> Result<Packed> {
    let shown = image.path.display();
    let source = File::open(&image.path).with_context(|| format!("cannot read {shown}"))?;
    let broken = || format!("cannot pack {shown} into {}", folder.display());
    let before = source.metadata()?;
    let hash = Aside::start();
    let mut frames = Frames::new(Parts::new(folder, manner.limit), manner.level)?;
    let (mut done, mut told) = (0, Instant::now());
    sparse::blocks(&source, before.len(), |block| {
        process::check_interrupt()?;
        hash.write(block.clone())?;
        done += block.len() as u64;
        frames.write(block).with_context(broken)?;
        if told.elapsed() > TELL {
            tell(&format!("{}: {} %", image.name, done * 100 / before.len()));
            told = Instant::now();
        }
        Ok(())
    })?;
    let parts = frames.finish().with_context(broken)?;
    process::check_interrupt()?;
    let digest = hash.finish()?;
    if identity(&source.metadata()?) != identity(&before) {
        return Err(usage(format!(
            "{shown} changed while it was packed: run it again when nobody writes to it"
        )));
    }
    Ok(Packed {
        name: image.name.clone(),
        kind: image.kind,
        file: file.to_string(),
        digest,
        level: manner.level,
        assets: parts.finish(&format!("{file}.zst"))?,
    })
}

/// What changes when somebody writes to a file: its length, and when it was last written to.
fn identity(file: &Metadata) -> (u64, i64, i64) {
    (file.len(), file.mtime(), file.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::check;
    use crate::release::hash::{self, Digest};
    use crate::release::image::Kind;

    fn image(folder: &Path) -> (Image, Vec<u8>) {
        let path = folder.join("image");
        let mut bytes = vec![0; 3 << 20];
        // Noise: xorshift64 (Marsaglia, "Xorshift RNGs", 2003).
        let mut noise = 88_172_645_463_325_252_u64;
        for byte in &mut bytes[1 << 20..][..1 << 20] {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            *byte = noise.to_le_bytes()[3];
        }
        std::fs::write(&path, &bytes).unwrap();
        let name = "raw".to_string();
        let kind = Kind::Disk;
        (Image { name, path, kind }, bytes)
    }

    fn packed(limit: u64) -> (tempfile::TempDir, Packed, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let (image, bytes) = image(folder.path());
        let manner = Manner { level: 3, limit };
        let packed = pack(&image, "x.raw", folder.path(), manner, &mut |_| ()).unwrap();
        (folder, packed, bytes)
    }

    #[test]
    fn what_is_unpacked_is_the_image() {
        let (folder, packed, bytes) = packed(1 << 30);
        assert_eq!(packed.assets.len(), 1);
        assert_eq!(packed.assets[0].file, "x.raw.zst");
        let asset = std::fs::read(folder.path().join("x.raw.zst")).unwrap();
        assert!(zstd::decode_all(&asset[..]).unwrap() == bytes);
        let digest = |bytes: &[u8]| Digest {
            bytes: bytes.len() as u64,
            sha256: crate::digest::sha256(bytes),
        };
        assert_eq!(packed.digest, digest(&bytes));
        assert_eq!(packed.assets[0].digest, digest(&asset));
    }

    #[test]
    fn parts_are_unpacked_when_they_are_joined() {
        let (folder, packed, bytes) = packed(200_000);
        assert!(packed.assets.len() > 1);
        let mut joined = Vec::new();
        for asset in &packed.assets {
            assert!(asset.digest.bytes <= 200_000);
            joined.extend(std::fs::read(folder.path().join(&asset.file)).unwrap());
        }
        assert!(zstd::decode_all(&joined[..]).unwrap() == bytes);
    }

    #[test]
    fn runs_of_zeros_have_frames_of_their_own_and_nothing_is_lost() {
        use std::os::unix::fs::FileExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        let file = File::create_new(&path).unwrap();
        // Data, a run and a half of zeros, data, two runs, and the odd end of a hole.
        file.write_all_at(b"first", 3 << 20).unwrap();
        file.write_all_at(b"second", 100 << 20).unwrap();
        file.set_len((230 << 20) + 77).unwrap();
        let image = Image {
            name: "raw".into(),
            path: path.clone(),
            kind: Kind::Disk,
        };
        let (level, limit) = (1, 1 << 30);
        let packed = pack(
            &image,
            "x",
            folder.path(),
            Manner { level, limit },
            &mut |_| (),
        );
        let packed = packed.unwrap();
        let (assets, unpacked) = check::unpack(&[folder.path().join("x.zst")]).unwrap();
        assert_eq!(assets[0], packed.assets[0].digest);
        assert_eq!(unpacked.unwrap(), packed.digest);
        assert_eq!(hash::file(&path).unwrap(), packed.digest);
        let asset = std::fs::read(folder.path().join("x.zst")).unwrap();
        let frames = asset
            .windows(4)
            .filter(|word| *word == [0x28, 0xb5, 0x2f, 0xfd]);
        assert_eq!(frames.count(), 6, "data, run, data, run, run, rest");
    }
}
