//! Releases for tests of updates.

pub mod derived;
