//! What the machine decides about updates, over recorded facts: whether one is installed (modules/update.jq), whether a new
//! version is well (modules/trial.sh), and whether a release is signed (modules/update.sh). Each rule has mutants: texts in
//! which it is gone or turned round, and which some case has to catch.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as a user would"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../release/keys.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod keys;
mod offer;
mod offers;
mod signature;
mod trial;
mod trial_units;

use std::fs;

use libtest_mimic::{Arguments, Failed};

fn main() {
    let jq: &[&str] = &["bash", "jq"];
    let trials = vec![
        common::trial("each_offer_is_decided", jq, offer::decided),
        common::trial("each_mutant_of_an_offer_is_caught", jq, offer::mutants),
        common::trial("each_trial_is_judged", jq, trial::judged),
        common::trial("each_mutant_of_a_trial_is_caught", jq, trial::mutants),
        common::trial(
            "the_causes_of_the_system_keep_it_from_serving",
            &[],
            trial::own,
        ),
        common::trial("an_undone_version_is_named", jq, trial_units::named),
        common::trial("a_trial_ends_as_it_is_judged", jq, trial_units::ended),
        common::trial("only_a_good_boot_is_blessed", jq, trial_units::blessed),
        common::trial(
            "only_our_key_signs",
            &["bash", "gpg", "gpg-agent", "gpgconf"],
            signature::cases,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The text of a module.
fn module(name: &str) -> String {
    fs::read_to_string(common::root().join("modules").join(name)).expect("a module")
}

/// The function `name` of a shell script.
fn function(script: &str, name: &str) -> String {
    let start = format!("\n{name}() {{\n");
    let (_, rest) = script.split_once(&start).expect("the function");
    let (body, _) = rest.split_once("\n}\n").expect("its end");
    format!("{start}{body}\n}}\n")
}

/// `text` with `from`, which is in one place, changed to `to`.
fn mutant(text: &str, (from, to): (&str, &str)) -> Result<String, Failed> {
    match text.matches(from).count() {
        1 => Ok(text.replace(from, to)),
        count => Err(format!("{from:?} is in {count} places").into()),
    }
}
