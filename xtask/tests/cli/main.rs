//! The command line: what a user is shown and refused, and what is left behind.

#[path = "../common/mod.rs"]
mod common;
mod host;
mod refusals;
mod said;

use libtest_mimic::{Arguments, Trial};

/// What the stand-in guest is made with, beside QEMU and SSH.
pub const STANDIN: &[&str] = &[
    "qemu-system-x86_64",
    "mmdebstrap",
    "genext2fs",
    "mkntfs",
    "ssh",
];

fn main() {
    let trials: Vec<Trial> = [said::trials(), refusals::trials(), host::trials()]
        .into_iter()
        .flatten()
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
