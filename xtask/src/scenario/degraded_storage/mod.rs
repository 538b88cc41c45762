//! Damaged sticks, a second stick, and a stick of an earlier version.

pub mod booted_stick;
pub mod damaged_persist;
