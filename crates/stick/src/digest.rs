//! SHA-256 of files and of streams.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::monitor::Monitor;

/// Bytes that are read, hashed or compressed at once.
pub const BLOCK: usize = 1 << 20;
/// Blocks that may wait for the hash.
const QUEUE: usize = 4;

/// The length of a file or stream, and its SHA-256 in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    pub bytes: u64,
    pub sha256: String,
}

/// SHA-256 of `bytes`, in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Counts and hashes what is written to it.
#[derive(Debug, Default)]
pub struct DigestWriter {
    sha256: Sha256,
    bytes: u64,
}

impl DigestWriter {
    /// As [`Write::write_all`], which cannot fail here.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub fn finish(self) -> FileDigest {
        FileDigest {
            bytes: self.bytes,
            sha256: hex::encode(self.sha256.finalize()),
        }
    }
}

impl Write for DigestWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A [`DigestWriter`] on a thread of its own, so that hashing and (de)compressing overlap.
pub struct DigestThread {
    blocks: SyncSender<Vec<u8>>,
    thread: JoinHandle<FileDigest>,
}

impl DigestThread {
    pub fn start() -> Self {
        let (blocks, waiting) = sync_channel::<Vec<u8>>(QUEUE);
        let thread = thread::spawn(move || {
            let mut writer = DigestWriter::default();
            for block in waiting {
                writer.update(&block);
            }
            writer.finish()
        });
        DigestThread { blocks, thread }
    }

    /// Hashes `block` after all earlier ones; waits while the queue is full.
    ///
    /// # Errors
    /// The thread has panicked.
    pub fn write(&self, block: Vec<u8>) -> Result<()> {
        let sent = self.blocks.send(block);
        sent.map_err(|_| anyhow!("the hash has ended early"))
    }

    /// Waits for the last block.
    ///
    /// # Errors
    /// The thread has panicked.
    pub fn finish(self) -> Result<FileDigest> {
        drop(self.blocks);
        let joined = self.thread.join();
        joined.map_err(|_| anyhow!("the hash has ended early"))
    }
}

/// The digest of the file at `path`.
///
/// # Errors
/// It cannot be read, or `monitor` ends the operation.
pub fn of_file(path: &Path, monitor: &dyn Monitor) -> Result<FileDigest> {
    let unreadable = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(unreadable)?;
    let mut writer = DigestWriter::default();
    let mut block = vec![0; BLOCK];
    loop {
        monitor.check()?;
        match file.read(&mut block).with_context(unreadable)? {
            0 => return Ok(writer.finish()),
            read => writer.update(&block[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::NoMonitor;

    #[test]
    fn a_file_and_a_thread_give_the_digest_of_all_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let bytes = vec![7; BLOCK + 3];
        std::fs::write(&path, &bytes).unwrap();
        let whole = of_file(&path, &NoMonitor).unwrap();
        assert_eq!(whole.bytes, BLOCK as u64 + 3);
        assert_eq!(whole.sha256, sha256_hex(&bytes));
        let thread = DigestThread::start();
        for block in bytes.chunks(1000) {
            thread.write(block.to_vec()).unwrap();
        }
        assert_eq!(thread.finish().unwrap(), whole);
    }
}
