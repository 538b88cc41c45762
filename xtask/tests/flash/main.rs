//! `flash`: the content of the stick afterwards, and every refusal before anything is written.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as a user would"
)]

mod capacity;
#[path = "../common/mod.rs"]
mod common;
mod disks;
mod refused;
mod setting;
#[path = "../common/stick.rs"]
mod stick;
mod unfinished;
mod written;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let trials: Vec<Trial> = [
        written::trials(),
        refused::trials(),
        unfinished::trials(),
        capacity::trials(),
        disks::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
