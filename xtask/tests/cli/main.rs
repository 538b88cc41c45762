//! The command line: output, errors, exit codes, and what is left behind.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as a user would"
)]

#[path = "../common/mod.rs"]
mod common;
mod host;
mod refusals;
mod shown;

use libtest_mimic::{Arguments, Trial};

/// The programs that a stand-in guest needs.
pub const STANDIN: &[&str] = &[
    "qemu-system-x86_64",
    "mmdebstrap",
    "genext2fs",
    "mkntfs",
    "ssh",
];

fn main() {
    let trials: Vec<Trial> = [shown::trials(), refusals::trials(), host::trials()]
        .into_iter()
        .flatten()
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
