//! The flake's checks that boot machines: one a scenario, in tests/scenarios.nix.

mod common;

use std::fmt::Write;
use std::fs;

use common::root;
use xtask::scenario::{PROMISES, SCENARIOS};

/// A function in Nix from the maker of a check to all of them.
fn render() -> String {
    let mut text = String::from(
        "# Generated from the list of scenarios: UPDATE_TESTS=1 cargo test -p xtask --test checks\ncheck: {\n",
    );
    for scenario in SCENARIOS {
        for promise in PROMISES
            .iter()
            .filter(|promise| promise.scenario == scenario.name)
        {
            writeln!(text, "  # {}", promise.id).unwrap();
        }
        writeln!(text, "  vm-{0} = check \"{0}\";", scenario.name).unwrap();
    }
    text.push_str("}\n");
    text
}

#[test]
fn every_scenario_is_a_check_of_the_flake() {
    let path = root().join("tests/scenarios.nix");
    let wanted = render();
    if std::env::var_os("UPDATE_TESTS").is_some() {
        fs::write(&path, wanted).unwrap();
        return;
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        wanted,
        "out of date: UPDATE_TESTS=1 cargo test -p xtask --test checks"
    );
}
