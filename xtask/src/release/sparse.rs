//! Reading a sparse file: holes come from memory and not from the disk.

use std::fs::File;
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use super::hash::BLOCK;

/// A piece of a file; to clone it costs nothing.
#[derive(Debug, Clone)]
pub struct Block {
    /// Nothing but zeros.
    pub empty: bool,
    bytes: Arc<Vec<u8>>,
    length: usize,
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Hands the first `length` bytes of `file` to `each`, in order.
///
/// A file that has become shorter may look as if a hole were at its end: whoever cares compares its length afterwards.
///
/// # Errors
/// The file cannot be read; or what `each` gave.
pub fn blocks(file: &File, length: u64, mut each: impl FnMut(Block) -> Result<()>) -> Result<()> {
    let zeros = Arc::new(vec![0; BLOCK]);
    let mut at = 0;
    while at < length {
        let (data, end) = extent(file, at, length)?;
        while at < data {
            let block = Block {
                empty: true,
                bytes: zeros.clone(),
                length: BLOCK.min((data - at) as usize),
            };
            at += block.length as u64;
            each(block)?;
        }
        while at < end {
            let mut bytes = vec![0; BLOCK.min((end - at) as usize)];
            file.read_exact_at(&mut bytes, at)
                .context("the image became shorter while it was read, or its disk fails")?;
            at += bytes.len() as u64;
            each(Block {
                // Whoever copied the image may have filled its holes.
                empty: bytes[..] == zeros[..bytes.len()],
                length: bytes.len(),
                bytes: Arc::new(bytes),
            })?;
        }
    }
    Ok(())
}

/// Where the next data at or after `at` starts, and where it ends; both `length` when nothing but a hole follows.
fn extent(file: &File, at: u64, length: u64) -> Result<(u64, u64)> {
    let seek = |from: u64, whence| lseek(file, i64::try_from(from).unwrap_or(i64::MAX), whence);
    let data = match seek(at, Whence::SeekData) {
        Ok(data) => (data as u64).min(length),
        Err(Errno::ENXIO) => return Ok((length, length)),
        // A file system that knows nothing of holes: all is data.
        Err(Errno::EINVAL | Errno::EOPNOTSUPP) => return Ok((at, length)),
        Err(error) => return Err(error).context("cannot look for holes in the image"),
    };
    let end = seek(data, Whence::SeekHole).map_or(length, |end| end as u64);
    Ok((data, end.clamp(data, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_what_a_plain_read_gives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let file = File::create_new(&path).unwrap();
        file.set_len(5 * BLOCK as u64 + 77).unwrap();
        file.write_all_at(b"start", 0).unwrap();
        file.write_all_at(&vec![9; BLOCK], BLOCK as u64 + 12_345)
            .unwrap();
        let plain = std::fs::read(&path).unwrap();
        let (mut read, mut empty) = (Vec::new(), Vec::new());
        let file = File::open(&path).unwrap();
        blocks(&file, plain.len() as u64, |block| {
            read.extend_from_slice(&block);
            empty.push(block.empty);
            assert_eq!(block.empty, block.iter().all(|byte| *byte == 0));
            Ok(())
        })
        .unwrap();
        assert!(read == plain && empty.contains(&true));
    }
}
