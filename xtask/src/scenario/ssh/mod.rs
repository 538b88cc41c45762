//! Who can log in, and how. Every refusal is provoked by a real client that offers exactly one method.

pub mod crypto;
pub mod forwards;
pub mod key_accepted;
pub mod passwords;
pub mod root;
pub mod strict_modes;
pub mod unknown_key;
