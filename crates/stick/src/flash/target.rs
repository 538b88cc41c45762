//! The device while it is written to: past the system's cache, where that is possible.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use anyhow::{Error, Result};

use super::chunks::{Buffer, ByteRun, CHUNK, RunKind};
use super::device::Device;
use super::os;
use crate::monitor::Monitor;
use crate::units::MIB;

/// Without direct access, bytes between two waits for the disk, so that the progress shows the speed of the disk.
const UNSYNCED: u64 = 64 * MIB;

/// A device that is being written to.
pub struct Target<'a> {
    device: &'a Device,
    monitor: &'a dyn Monitor,
    direct: Cell<bool>,
    /// Whether ranges can be cleared without writing zeros; true until it fails.
    punches: Cell<bool>,
    unsynced: Cell<u64>,
}

impl<'a> Target<'a> {
    pub fn new(device: &'a Device, monitor: &'a dyn Monitor) -> Self {
        Target {
            device,
            monitor,
            direct: Cell::new(os::set_direct(&device.file, true)),
            punches: Cell::new(true),
            unsynced: Cell::new(0),
        }
    }

    pub fn go_direct(&self, on: bool) {
        self.direct.set(os::set_direct(&self.device.file, on) && on);
    }

    fn failed(&self, verb: &str, offset: u64) -> impl FnOnce(io::Error) -> anyhow::Error {
        let place = format!(
            "cannot {verb} {} at byte {offset}",
            self.device.path.display()
        );
        move |error| Error::msg(format!("{place}: {error}{}", os::advice(&error)))
    }

    fn seek(&self, offset: u64) -> io::Result<&File> {
        let mut file = &self.device.file;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }

    /// Some file systems take direct access only in a form of their own.
    fn retried<T>(&self, action: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match action() {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput && self.direct.get() => {
                self.go_direct(false);
                action()
            }
            result => result,
        }
    }

    pub fn write(&self, data: &[u8], offset: u64) -> Result<()> {
        self.retried(|| self.seek(offset)?.write_all(data))
            .map_err(self.failed("write to", offset))?;
        self.unsynced.set(self.unsynced.get() + data.len() as u64);
        if !self.direct.get() && self.unsynced.get() >= UNSYNCED {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes `range` read as zeros.
    pub fn clear(&self, range: Range<u64>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        if self.punches.get() {
            // The reason does not matter: writing shows whether the disk is sound.
            match os::punch(&self.device.file, range.start, range.end - range.start) {
                Ok(()) => return Ok(()),
                Err(_) => self.punches.set(false),
            }
        }
        let (zeros, mut read) = (Buffer::new(), Buffer::new());
        for offset in range.clone().step_by(CHUNK) {
            self.monitor.check()?;
            let length = (range.end - offset).min(CHUNK as u64) as usize;
            let run = ByteRun {
                kind: RunKind::Zero,
                offset,
                data: &zeros[..length],
            };
            if self.difference(&run, &mut read)?.is_some() {
                self.write(run.data, offset)?;
            }
        }
        Ok(())
    }

    pub fn sync(&self) -> Result<()> {
        self.unsynced.set(0);
        self.device
            .file
            .sync_all()
            .map_err(self.failed("finish writing to", 0))
    }

    /// Fills `read` with what the device holds there.
    pub fn read(&self, offset: u64, read: &mut [u8]) -> Result<()> {
        // Not through `retried`, which would borrow `read` mutably twice.
        let mut result = self.seek(offset).and_then(|mut file| file.read_exact(read));
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::InvalidInput)
            && self.direct.get()
        {
            self.go_direct(false);
            result = self.seek(offset).and_then(|mut file| file.read_exact(read));
        }
        result.map_err(self.failed("read", offset))
    }

    /// Waits for the disk, and drops what the system has cached of it.
    pub fn settle(&self) -> Result<()> {
        self.sync()?;
        os::forget_cached(&self.device.file);
        Ok(())
    }

    /// The first offset where the device differs from `run`.
    pub fn difference(&self, run: &ByteRun, buffer: &mut Buffer) -> Result<Option<u64>> {
        let read = &mut buffer[..run.data.len()];
        self.read(run.offset, read)?;
        if read == run.data {
            return Ok(None);
        }
        let at = read
            .iter()
            .zip(run.data)
            .position(|(read, data)| read != data);
        Ok(at.map(|at| run.offset + at as u64))
    }
}
