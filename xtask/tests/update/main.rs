//! `update`, with an ssh that plays the machine.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as a user would"
)]

#[path = "../common/mod.rs"]
mod common;
mod ended;
mod machine;
mod refused;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let trials: Vec<Trial> = [ended::trials(), refused::trials()]
        .into_iter()
        .flatten()
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
