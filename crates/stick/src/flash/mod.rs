//! Writing an image to a stick. Everything that can be wrong is looked for before the first byte is written, and what
//! makes a disk of the stick, its partition table, is written last.
//!
//! Data flows one way: [`image`] -> [`chunks`] -> [`write`] -> [`device`]. What is known beforehand is in [`survey`]
//! (the image), [`persist`] (what the stick holds) and [`files`] (what the owner adds).

pub mod checksum;
pub mod chunks;
pub mod device;
pub mod files;
pub mod image;
pub mod layout;
mod lsblk;
pub mod persist;
pub mod progress;
pub mod survey;
mod system;
pub mod write;

#[cfg(any(test, target_os = "macos"))]
mod diskutil;

pub const MIB: u64 = 1 << 20;
