//! SHA-256 of what streams by.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use vm::process;

/// How much is read, hashed or compressed at once.
pub const BLOCK: usize = 1 << 20;
/// Blocks that may wait for the hash.
const QUEUE: usize = 4;

/// How long something is, and its SHA-256 in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    pub bytes: u64,
    pub sha256: String,
}

/// Counts and hashes what is written to it.
#[derive(Default)]
pub struct Hasher {
    sha256: Sha256,
    bytes: u64,
}

impl Hasher {
    pub fn finish(self) -> Digest {
        let digest = self.sha256.finalize();
        Digest {
            bytes: self.bytes,
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A [`Hasher`] on a thread of its own, for blocks of the type `B`.
pub struct Aside<B> {
    blocks: SyncSender<B>,
    thread: JoinHandle<Digest>,
}

impl<B: AsRef<[u8]> + Send + 'static> Aside<B> {
    pub fn start() -> Self {
        let (blocks, waiting) = sync_channel::<B>(QUEUE);
        let thread = thread::spawn(move || {
            let mut hasher = Hasher::default();
            for block in waiting {
                let _ = hasher.write(block.as_ref());
            }
            hasher.finish()
        });
        Aside { blocks, thread }
    }

    pub fn write(&self, block: B) -> Result<()> {
        let sent = self.blocks.send(block);
        sent.map_err(|_| anyhow!("the hash has ended early"))
    }

    pub fn finish(self) -> Result<Digest> {
        drop(self.blocks);
        let joined = self.thread.join();
        joined.map_err(|_| anyhow!("the hash has ended early"))
    }
}

/// The digest of the file at `path`.
///
/// # Errors
/// It cannot be read, or Ctrl-C is pressed.
pub fn file(path: &Path) -> Result<Digest> {
    let broken = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(broken)?;
    let mut hasher = Hasher::default();
    let mut block = vec![0; BLOCK];
    loop {
        process::check_interrupt()?;
        match file.read(&mut block).with_context(broken)? {
            0 => return Ok(hasher.finish()),
            read => hasher.write_all(&block[..read])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_digest_of_all_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let bytes = vec![7; BLOCK + 3];
        std::fs::write(&path, &bytes).unwrap();
        let whole = file(&path).unwrap();
        assert_eq!(whole.bytes, BLOCK as u64 + 3);
        assert_eq!(whole.sha256, crate::digest::sha256(&bytes));
        let aside = Aside::start();
        for block in bytes.chunks(1000) {
            aside.write(block.to_vec()).unwrap();
        }
        assert_eq!(aside.finish().unwrap(), whole);
    }
}
