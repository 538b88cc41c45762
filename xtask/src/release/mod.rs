//! A release: the images to download, and beside them everything that is needed to trust them.
//!
//! ```text
//! image ──read once──┬─> SHA-256 of the image
//!                    └─> zstd ──┬─> SHA-256 of the asset
//!                               └─> asset, or its parts ──> manifest.json, SBOM, notes ──> SHA256SUMS.gpg, SHA256SUMS ──> GitHub
//! ```
//!
//! `SHA256SUMS` is written last, after its signature: a folder without it is unfinished. Packing, hashing and the sums are in the crate
//! [`stick`]; here is what belongs to this project's releases.

pub mod check;
pub mod describe;
pub mod github;
pub mod image;
pub mod manifest;
pub mod notes;
pub mod resume;
pub mod signature;
pub mod test_report;
pub mod update;
pub mod version;

use anyhow::Result;
use stick::monitor::Monitor;

/// The content of the release, for programs ([`manifest::Manifest`]).
pub use stick::manifest::MANIFEST;
/// Changes and test results; the text of the release on GitHub.
pub const NOTES: &str = "RELEASE_NOTES.md";
/// The longest file of a release, in bytes. GitHub: "each file included in a release must be under 2 GiB"
/// (docs.github.com, "About releases", storage and bandwidth quotas); this stays clear of it.
pub const LIMIT: u64 = 2000 << 20;

/// Ends long operations on Ctrl-C; shows no progress.
#[derive(Debug, Clone, Copy)]
pub struct CtrlC;

impl Monitor for CtrlC {
    fn check(&self) -> Result<()> {
        vm::process::check_interrupt()
    }
}
