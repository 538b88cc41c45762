//! A release: images as they are downloaded, and beside them everything that is needed to trust them.
//!
//! ```text
//! image ──read once──┬─> SHA-256 of the image
//!                    └─> zstd ──┬─> SHA-256 of the asset
//!                               └─> asset, or its parts ──> manifest.json, SBOM, notes ──> SHA256SUMS ──> GitHub
//! ```
//!
//! `SHA256SUMS` is written last: a folder without it is not finished.

pub mod check;
pub mod describe;
pub mod frames;
pub mod git;
pub mod github;
pub mod hash;
pub mod image;
pub mod made;
pub mod manifest;
pub mod notes;
pub mod pack;
pub mod parts;
pub mod proof;
pub mod sbom;
pub mod sparse;
pub mod sums;
pub mod version;

/// The digests of all other files, in the format of sha256sum(1).
pub const SUMS: &str = "SHA256SUMS";
/// What the release is made of ([`manifest::Manifest`]).
pub const MANIFEST: &str = "manifest.json";
/// What has changed, and what was tested; the text of the release on GitHub.
pub const NOTES: &str = "RELEASE_NOTES.md";

/// `bytes` for people: `1.8 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: &[&str] = &["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} bytes")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_for_people() {
        assert_eq!(super::size(0), "0 bytes");
        assert_eq!(super::size(1023), "1023 bytes");
        assert_eq!(super::size(3 << 29), "1.5 GiB");
    }
}
