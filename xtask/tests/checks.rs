//! Checks of the sources: generated files are up to date, and modules depend on each other in one direction.

mod common;

use std::fs;

use common::root;
use xtask::cmd::codegen;

#[test]
fn generated_files_are_up_to_date() {
    let stale = codegen::stale(&root()).unwrap();
    assert!(
        stale.is_empty(),
        "stale: {stale:?}; run `cargo xtask codegen`"
    );
}

/// A report renders outcomes: it knows neither machines nor the scenarios and mutants that produced them.
#[test]
fn outcome_and_report_depend_on_nothing_above_them() {
    let above = ["crate::scenario", "crate::mutant", "crate::guest", "vm::"];
    for folder in ["xtask/src/outcome", "xtask/src/report"] {
        for entry in fs::read_dir(root().join(folder)).unwrap().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap();
            for name in above {
                assert!(!text.contains(name), "{:?} uses {name}", entry.path());
            }
        }
    }
}
