//! Generated files are up to date.

mod common;

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
