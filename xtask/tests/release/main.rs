//! Releases: made, resumed, published, verified; and every refusal.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as a user would"
)]

mod case;
#[path = "../common/mod.rs"]
mod common;
mod keys;
mod make;
mod publish;
mod refuse;
mod sign;
mod verify;
mod verify_signature;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let trials: Vec<Trial> = [
        make::trials(),
        refuse::trials(),
        publish::trials(),
        verify::trials(),
        sign::trials(),
        verify_signature::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
