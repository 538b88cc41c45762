//! Releases: made, resumed, published, verified; and every refusal.

mod case;
#[path = "../common/mod.rs"]
mod common;
mod make;
mod publish;
mod refuse;
mod verify;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let trials: Vec<Trial> = [
        make::trials(),
        refuse::trials(),
        publish::trials(),
        verify::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
