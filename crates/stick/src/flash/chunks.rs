//! A stream in large pieces, read by one thread and used by another, and which parts of a piece count.

use std::io::{self, Read};
use std::ops::{Deref, DerefMut, Range};
use std::sync::mpsc;
use std::thread;

use anyhow::Result;

use crate::monitor::Monitor;

/// Bytes of a piece. Sticks reach their full speed at about this size.
pub const CHUNK: usize = 4 << 20;
/// Bytes that are looked at together. Smaller runs of zeros are cheaper to write than to leave out.
const GRAIN: usize = 256 << 10;
/// Pieces that wait to be used.
const WAITING: usize = 2;
/// Alignment of a buffer's address that direct access to a disk needs.
const ALIGNMENT: usize = 4096;

static ZEROS: [u8; GRAIN] = [0; GRAIN];

/// [`CHUNK`] bytes that direct access takes.
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    #[expect(
        clippy::new_without_default,
        reason = "four MiB are not a cheap default"
    )]
    pub fn new() -> Self {
        let bytes = vec![0; CHUNK + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        Buffer { bytes, start }
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..][..CHUNK]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..][..CHUNK]
    }
}

/// A piece of a stream: all have [`CHUNK`] bytes but the last.
pub struct Chunk {
    pub offset: u64,
    length: usize,
    buffer: Buffer,
}

impl Chunk {
    pub fn data(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    pub fn end(&self) -> u64 {
        self.offset + self.length as u64
    }

    /// The bytes of `range` of the stream, when all of them are in this piece.
    pub fn get(&self, range: Range<u64>) -> Option<&[u8]> {
        let start = usize::try_from(range.start.checked_sub(self.offset)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(self.offset)?).ok()?;
        self.data().get(start..end)
    }
}

/// Calls `take` with each piece of `source`, while the next ones are being read.
///
/// # Errors
/// `source` or `take` fails, or `monitor` ends the operation.
pub fn each(
    mut source: impl Read + Send,
    monitor: &dyn Monitor,
    mut take: impl FnMut(&Chunk) -> Result<()>,
) -> Result<()> {
    thread::scope(|scope| {
        let (full, filled) = mpsc::sync_channel(WAITING);
        let (empty, emptied) = mpsc::channel();
        for _ in 0..WAITING + 2 {
            empty.send(Buffer::new())?;
        }
        // Ends with the stream, or once its receiver is gone.
        scope.spawn(move || {
            let mut offset = 0;
            for mut buffer in emptied {
                let piece = fill(&mut source, &mut buffer);
                let over = matches!(piece, Ok(0) | Err(_));
                let chunk = piece.map(|length| Chunk {
                    offset,
                    length,
                    buffer,
                });
                offset += chunk.as_ref().map_or(0, |chunk| chunk.length as u64);
                if full.send(chunk).is_err() || over {
                    break;
                }
            }
        });
        for chunk in filled {
            monitor.check()?;
            let chunk = chunk?;
            take(&chunk)?;
            let _ = empty.send(chunk.buffer);
        }
        Ok(())
    })
}

/// Reads until `buffer` is full or the stream ends.
pub fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// Not only zeros.
    Data,
    /// Zero, and its reader relies on that.
    Zero,
    /// Not to be written: nothing reads it, or it is written elsewhere.
    Idle,
}

/// Neighbouring bytes of one kind.
#[derive(Debug, PartialEq, Eq)]
pub struct ByteRun<'a> {
    pub kind: RunKind,
    pub offset: u64,
    pub data: &'a [u8],
}

impl ByteRun<'_> {
    pub fn end(&self) -> u64 {
        self.offset + self.data.len() as u64
    }
}

/// The runs of a piece, in order and without gaps. Ranges in `left_out` are idle; ranges in
/// `unread` are idle where they are zero. Only whole grains (256 KiB) count, so ranges should begin and end on them.
pub fn runs<'a>(
    chunk: &'a Chunk,
    unread: &Range<u64>,
    left_out: &[Range<u64>],
) -> Vec<ByteRun<'a>> {
    let data = chunk.data();
    let kind = |start: usize| {
        let grain = &data[start..data.len().min(start + GRAIN)];
        let from = chunk.offset + start as u64;
        let to = from + grain.len() as u64;
        let within = |range: &Range<u64>| range.start <= from && to <= range.end;
        if left_out.iter().any(within) {
            RunKind::Idle
        } else if *grain != ZEROS[..grain.len()] {
            RunKind::Data
        } else if within(unread) {
            RunKind::Idle
        } else {
            RunKind::Zero
        }
    };
    let kinds: Vec<RunKind> = (0..data.len()).step_by(GRAIN).map(kind).collect();
    let mut at = 0;
    kinds
        .chunk_by(|one, next| one == next)
        .map(|same| {
            let start = at;
            at = data.len().min(at + same.len() * GRAIN);
            ByteRun {
                kind: same[0],
                offset: chunk.offset + start as u64,
                data: &data[start..at],
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::NoMonitor;

    fn all(source: &[u8]) -> Vec<(u64, usize)> {
        let mut seen = Vec::new();
        each(source, &NoMonitor, |chunk| {
            assert!(chunk.data().as_ptr().align_offset(ALIGNMENT) == 0);
            if !chunk.data().is_empty() {
                seen.push((chunk.offset, chunk.data().len()));
            }
            Ok(())
        })
        .unwrap();
        seen
    }

    #[test]
    fn a_stream_arrives_complete_and_in_order() {
        assert_eq!(all(&[]), []);
        assert_eq!(all(&[1; 5]), [(0, 5)]);
        let long = vec![1; 9 * CHUNK + 1];
        let pieces = all(&long);
        assert_eq!(pieces.len(), 10);
        assert_eq!(pieces[9], (9 * CHUNK as u64, 1));
    }

    #[test]
    fn an_error_on_either_side_ends_both() {
        struct Torn(usize);
        impl Read for Torn {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
                Ok(buffer.len())
            }
        }
        let mut count = 0;
        let error = each(Torn(3), &NoMonitor, |_| {
            count += 1;
            Ok(())
        })
        .unwrap_err();
        assert!(error.is::<io::Error>());
        assert_eq!(count, 3);
        let error = each(io::repeat(1), &NoMonitor, |_| anyhow::bail!("enough")).unwrap_err();
        assert_eq!(error.to_string(), "enough");
    }

    #[test]
    fn runs_separate_data_zeros_and_unread_zeros() {
        let grain = GRAIN as u64;
        let mut source = vec![0; 5 * GRAIN + 10];
        source[GRAIN + 7] = 1;
        source[2 * GRAIN] = 1;
        let mut found = Vec::new();
        each(&source[..], &NoMonitor, |chunk| {
            let runs = runs(
                chunk,
                &(2 * grain..4 * grain),
                std::slice::from_ref(&(0..grain)),
            );
            found.extend(
                runs.iter()
                    .map(|run| (run.kind, run.offset, run.data.len())),
            );
            Ok(())
        })
        .unwrap();
        assert_eq!(
            found,
            [
                (RunKind::Idle, 0, GRAIN),
                (RunKind::Data, grain, 2 * GRAIN),
                (RunKind::Idle, 3 * grain, GRAIN),
                (RunKind::Zero, 4 * grain, GRAIN + 10),
            ]
        );
    }
}
