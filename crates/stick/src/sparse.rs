//! Reading a sparse file: holes are returned as zeros without reading the disk. Two thirds of an image are holes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// Reads a file up to the length it had when it was opened.
#[derive(Debug)]
pub struct SparseReader {
    file: File,
    length: u64,
    at: u64,
    /// The data range found last: `at` is in it, or in the hole before it.
    data: Range<u64>,
}

impl SparseReader {
    /// # Errors
    /// The length of `file` cannot be read.
    pub fn new(file: File) -> io::Result<Self> {
        Ok(SparseReader {
            length: file.metadata()?.len(),
            file,
            at: 0,
            data: 0..0,
        })
    }
}

impl Read for SparseReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.length {
            return Ok(0);
        }
        if self.at >= self.data.end {
            self.data = next_data(&self.file, self.at, self.length);
        }
        let in_hole = self.at < self.data.start;
        let end = if in_hole {
            self.data.start
        } else {
            self.data.end
        };
        let room = usize::try_from(end - self.at).unwrap_or(usize::MAX);
        let room = room.min(buffer.len());
        let buffer = &mut buffer[..room];
        let length = if in_hole {
            buffer.fill(0);
            buffer.len()
        } else {
            self.file.seek(SeekFrom::Start(self.at))?;
            self.file.read(buffer)?
        };
        self.at += length as u64;
        Ok(length)
    }
}

/// The first range at or after `at` that is not a hole; empty, at the end of the file, when only a hole is left.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn next_data(file: &File, at: u64, length: u64) -> Range<u64> {
    use nix::errno::Errno;
    use nix::unistd::{Whence, lseek};

    let seek = |from: u64, whence| {
        let from = i64::try_from(from).map_err(|_| Errno::EINVAL)?;
        lseek(file, from, whence).map(|at| at as u64)
    };
    match seek(at, Whence::SeekData) {
        Ok(start) if (at..length).contains(&start) => {
            let end = seek(start, Whence::SeekHole).unwrap_or(length);
            start..end.clamp(start + 1, length)
        }
        Ok(_) | Err(Errno::ENXIO) => length..length,
        // A file system without holes.
        Err(_) => at..length,
    }
}

/// Other systems: treat the whole file as data.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn next_data(_: &File, at: u64, length: u64) -> Range<u64> {
    at..length
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_with_holes_is_read_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let mut file = File::create(&path).unwrap();
        for (at, length) in [(0, 5), (3 << 20, 70_000), (5 << 20, 1)] {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&vec![7; length]).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        for hole in [0, 1 << 20] {
            file.set_len(whole.len() as u64 + hole).unwrap();
            let mut read = Vec::new();
            let mut reader = SparseReader::new(File::open(&path).unwrap()).unwrap();
            reader.read_to_end(&mut read).unwrap();
            assert!(read == std::fs::read(&path).unwrap());
        }
    }
}
