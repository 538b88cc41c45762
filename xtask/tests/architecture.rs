//! Which crate may depend on which: `xtask` on the two others, and they on neither.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as a user would"
)]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// What `cargo metadata` knows of this workspace.
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs, since it runs this test");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {stderr}");
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

/// Every crate of the workspace with those of its dependencies that are in the workspace too, tests' included.
fn edges() -> Vec<(String, Vec<String>)> {
    let metadata = metadata();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_string();
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let mut edges: Vec<_> = packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            let ours = dependencies.filter(|dependency| dependency["path"].is_string());
            // A crate is listed again where tests need more of it.
            let ours: BTreeSet<String> = ours.map(name).collect();
            (name(package), ours.into_iter().collect())
        })
        .collect();
    edges.sort();
    edges
}

#[test]
fn the_crates_depend_in_one_direction() {
    let expected: &[(&str, &[&str])] = &[("stick", &[]), ("vm", &[]), ("xtask", &["stick", "vm"])];
    let expected: Vec<(String, Vec<String>)> = expected
        .iter()
        .map(|(krate, dependencies)| {
            let dependencies = dependencies.iter().map(|name| name.to_string());
            (krate.to_string(), dependencies.collect())
        })
        .collect();
    assert_eq!(edges(), expected);
}
