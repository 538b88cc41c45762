//! From power on to a machine at rest.

pub mod no_drives;
pub mod reaches_target;
