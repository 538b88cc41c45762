//! State that stays on the stick.

pub mod bind_mounts;
pub mod mounted;
