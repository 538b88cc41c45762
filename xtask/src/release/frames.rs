//! Compressing: zstd's frames, one after the other, as `zstd -d` takes them.
//!
//! Long runs of zeros are not compressed: their frame is made once. Most of an image is such a run, and what is saved
//! there pays for the hash that is taken at the same time.

use std::io::{self, Write};
use std::thread::available_parallelism;

use zstd::stream::write::Encoder;
use zstd::zstd_safe::CParameter;

use super::hash::BLOCK;
use super::parts::Parts;
use super::sparse::Block;

/// Blocks in a frame of zeros.
const RUN: usize = 64;
static ZEROS: [u8; BLOCK] = [0; BLOCK];
/// What one thread compresses at a time; some wait in memory, before and after.
const JOB: u32 = 4 << 20;
/// zstd's own choice, but for the highest levels: those would take 16 MiB along from job to job.
const OVERLAP: u32 = 6;
/// Packing stays under 300 MB with this, of which [`BASE`] goes to neither window nor threads (both measured).
const MEMORY: u64 = 278 << 20;
const BASE: u64 = 85 << 20;

/// Takes an image's blocks and writes frames.
pub struct Frames {
    /// Where the frames go; with the encoder while there is one.
    parts: Option<Parts>,
    encoder: Option<Encoder<'static, Parts>>,
    level: i32,
    /// [`RUN`] blocks of zeros, compressed.
    zeros: Vec<u8>,
    /// Blocks of zeros that are not yet written.
    waiting: usize,
}

impl Frames {
    /// # Errors
    /// There is no memory.
    pub fn new(parts: Parts, level: i32) -> io::Result<Self> {
        let mut encoder = Encoder::new(Vec::new(), level)?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some((RUN * BLOCK) as u64))?;
        for _ in 0..RUN {
            encoder.write_all(&ZEROS)?;
        }
        Ok(Frames {
            parts: Some(parts),
            encoder: None,
            level,
            zeros: encoder.finish()?,
            waiting: 0,
        })
    }

    /// # Errors
    /// The asset cannot be written.
    pub fn write(&mut self, block: Block) -> io::Result<()> {
        if block.empty && block.len() == BLOCK {
            self.waiting += 1;
            if self.waiting == RUN {
                self.waiting = 0;
                let mut parts = self.close()?;
                parts.write_all(&self.zeros)?;
                self.parts = Some(parts);
            }
            return Ok(());
        }
        self.catch_up()?;
        self.open()?.write_all(&block)
    }

    /// Ends the last frame.
    ///
    /// # Errors
    /// The asset cannot be written.
    pub fn finish(mut self) -> io::Result<Parts> {
        self.catch_up()?;
        self.close()
    }

    /// Writes the zeros that waited in vain for more.
    fn catch_up(&mut self) -> io::Result<()> {
        for _ in 0..std::mem::take(&mut self.waiting) {
            self.open()?.write_all(&ZEROS)?;
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<&mut Encoder<'static, Parts>> {
        if let Some(parts) = self.parts.take() {
            self.encoder = Some(encoder(parts, self.level)?);
        }
        self.encoder.as_mut().ok_or_else(lost)
    }

    fn close(&mut self) -> io::Result<Parts> {
        match self.encoder.take() {
            Some(encoder) => encoder.finish(),
            None => self.parts.take().ok_or_else(lost),
        }
    }
}

fn lost() -> io::Error {
    io::Error::other("writing went on after an error")
}

fn encoder(parts: Parts, level: i32) -> io::Result<Encoder<'static, Parts>> {
    let mut encoder = Encoder::new(parts, level)?;
    encoder.include_checksum(true)?;
    encoder.window_log(window_log(level))?;
    encoder.long_distance_matching(true)?;
    encoder.set_parameter(CParameter::JobSize(JOB))?;
    encoder.set_parameter(CParameter::OverlapSizeLog(OVERLAP))?;
    encoder.multithread(threads(level))?;
    Ok(encoder)
}

/// How far back repetitions are found, as a power of two. `zstd -d` without options goes up to 27 (zstd(1), `--long`);
/// the whole window is kept in memory, where the higher levels need more for their tables.
fn window_log(level: i32) -> u32 {
    match level {
        ..=11 => 26,
        12..=15 => 25,
        _ => 24,
    }
}

/// One for each core, if there is the memory for them.
fn threads(level: i32) -> u32 {
    // The tables for chains and hashes of four bytes each (zstd, lib/compress/clevels.h, sources over 256 KB).
    let tables = match level {
        ..=8 => 6 << 20,
        9 => 12 << 20,
        10..=11 => 24 << 20,
        12..=14 | 16..=18 => 48 << 20,
        15 => 64 << 20,
        _ => 80 << 20,
    };
    let cores = available_parallelism().map_or(1, |cores| cores.get() as u64);
    let room = MEMORY - BASE - (1 << window_log(level));
    let fit = (room / (tables + 2 * u64::from(JOB))).max(1);
    u32::try_from(cores.min(fit)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_threads_and_a_window_that_plain_zstd_opens() {
        for level in 1..=19 {
            assert!(threads(level) >= 1 && window_log(level) <= 27, "{level}");
        }
    }
}
