//! How a long operation reports its progress, and how its caller stops it. The library prints nothing and installs no signal
//! handler: both are left to the calling program.

use anyhow::Result;

/// A pass over many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The image is read and checked; nothing is written.
    CheckImage,
    /// The image is written to the device.
    Write,
    /// What was written is read back and compared.
    ReadBack,
    /// An image is compressed.
    Pack,
    /// The files of an update are read from an image.
    Update,
    /// The files of an update are sent to a machine.
    Send,
}

/// Watches a long operation. By default, every method does nothing; see [`NoMonitor`].
pub trait Monitor {
    /// Called many times a second. An error ends the operation, which cleans up and returns that error.
    ///
    /// # Errors
    /// The operation has to end, for example because of Ctrl-C.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// A pass over `total` bytes begins.
    fn begin(&self, _pass: Pass, _total: u64) {}

    /// Another `bytes` bytes are done.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// The pass has succeeded. Not called for a pass that fails.
    fn end(&self, _pass: Pass) {}
}

/// Reports nothing and never stops anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMonitor;

impl Monitor for NoMonitor {}
