//! Where distributions install UEFI firmware for virtual machines.

use std::path::{Path, PathBuf};

/// The firmware code, and the template of its variables.
const PLACES: &[(&str, &str)] = &[
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ),
    (
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
];

/// The firmware's code and variables: those in `folder` or, if it lacks one of them, in the first of [`PLACES`] that has both.
pub fn find(folder: Option<&Path>) -> Option<(PathBuf, PathBuf)> {
    let named = folder.map(|folder| (folder.join("OVMF_CODE.fd"), folder.join("OVMF_VARS.fd")));
    let places = PLACES.iter().map(|(code, vars)| (code.into(), vars.into()));
    named
        .into_iter()
        .chain(places)
        .find(|(code, vars): &(PathBuf, PathBuf)| code.is_file() && vars.is_file())
}
