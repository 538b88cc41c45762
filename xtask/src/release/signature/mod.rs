//! The signature of `SHA256SUMS`, and with it of the whole release: OpenPGP, detached and binary, made and checked by gpg.
//!
//! systemd-sysupdate looks for it under this name, beside the sums (systemd, src/import/pull-common.c). Its gpg ends well on
//! a signature by a key that has expired or was revoked; [`status::verdict`] does not.

mod gpg;
mod keys;
pub mod public_key;
pub mod signer;
pub mod status;

use std::path::Path;

use crate::packages::{Need, need};

/// The signature's file.
pub const SIGNATURE: &str = "SHA256SUMS.gpg";
/// Where the project keeps the public key that its releases are signed with, if it has one.
pub const PUBLIC_KEY: &str = "release-key.asc";
/// The environment variable that holds an exported secret key, where there is neither a keyring nor a file.
pub const KEY_VARIABLE: &str = "OLLAMALIVE_SIGNING_KEY";
/// What signing needs on the host. Checking needs the first only.
pub const NEEDS: &[Need] = &[need(gpg::PROGRAM, "gpg"), need("gpg-agent", "gpg-agent")];

/// The version of gpg; None where it is not installed.
pub fn gpg_version() -> Option<String> {
    gpg::version()
}

/// Whether the release in `folder` is signed.
pub fn is_signed(folder: &Path) -> bool {
    folder.join(SIGNATURE).is_file()
}
