#![doc = include_str!("../README.md")]

pub mod archive;
pub mod command;
pub mod digest;
pub mod esp;
pub mod flash;
pub mod gpt;
pub mod layout;
pub mod manifest;
pub mod monitor;
pub mod partial;
pub mod sparse;
pub mod split;
pub mod sums;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod units;
pub mod update;
