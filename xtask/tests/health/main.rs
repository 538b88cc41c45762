//! modules/health.sh and health.jq over recorded facts: what the owner is told for every cause of modules/causes.nix.
//!
//! `good` has the facts of a machine that serves, one file each. A folder in `cases` has the files that differ, and what is
//! said then, in `expected`: the state, and a line for each cause. It bears the name of the cause that it is about; what
//! follows a plus sign tells several cases apart.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as a user would"
)]

#[path = "../common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed};
use serde_json::Value;
use xtask::causes::Causes;

/// Cases that are about no cause.
const WITHOUT: [&str; 2] = ["notice", "serving"];

fn main() {
    let tools = &["bash", "jq"];
    let trials = vec![
        common::trial("every_cause_has_a_case", &[], every_cause),
        common::trial("each_case_is_said", tools, || {
            cases().iter().try_for_each(|case| said(case))
        }),
        common::trial("the_command_says_the_state", tools, command),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn here() -> PathBuf {
    common::root().join("xtask/tests/health")
}

/// The names of the folders in `cases`.
fn cases() -> Vec<String> {
    let folders = fs::read_dir(here().join("cases")).expect("the cases");
    let mut names: Vec<String> = folders
        .map(|folder| {
            let name = folder.expect("a case").file_name();
            name.to_str().expect("a name in UTF-8").to_string()
        })
        .collect();
    names.sort();
    names
}

fn recorded_script(name: &str) -> Result<String, Failed> {
    let record = xtask::snapshot::load_json(&xtask::snapshot::folder(&common::root()))?;
    let text = record["scripts"][name].as_str().ok_or("no such script")?;
    Ok(text.to_string())
}

/// What is decided from the facts in `facts`.
fn decide(facts: &Path, folder: &Path) -> Result<Value, Failed> {
    let settings = folder.join("settings");
    fs::write(&settings, recorded_script("ollamalive-health.json")?)?;
    let modules = common::root().join("modules");
    let output = Command::new("bash")
        .args(["-c", r#". "$1"; decide "$2""#, "bash"])
        .arg(modules.join("health.sh"))
        .arg(facts)
        .env("settings", &settings)
        .env("decision", modules.join("health.jq"))
        .envs([("port", "11434"), ("command", "c")])
        .output()?;
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn said(case: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let facts = folder.path().join("facts");
    fs::create_dir(&facts)?;
    let case_folder = here().join("cases").join(case);
    for from in [here().join("good"), case_folder.clone()] {
        for file in fs::read_dir(from)? {
            let file = file?;
            if file.file_name() != "expected" {
                fs::copy(file.path(), facts.join(file.file_name()))?;
            }
        }
    }
    let state = decide(&facts, folder.path())?;
    let mut text = format!("{}\n", state["state"].as_str().ok_or("no state")?);
    let causes = state["causes"].as_array().ok_or("no causes")?;
    for cause in causes {
        let word = |field: &str| cause[field].as_str().unwrap_or_default();
        writeln!(text, "{}: {}", word("id"), word("says"))?;
    }
    assert_eq!(text, fs::read_to_string(case_folder.join("expected"))?);
    let about = case.split('+').next().unwrap_or_default();
    if about != "serving" {
        let named = causes.iter().any(|cause| cause["id"] == about);
        assert!(named, "{about} is not among the causes");
    }
    assert!(!text.contains('{'), "a word is missing: {text}");
    Ok(())
}

fn every_cause() -> Result<(), Failed> {
    let record = xtask::snapshot::load_json(&xtask::snapshot::folder(&common::root()))?;
    let causes = Causes::of(&record)?;
    let tried: BTreeSet<String> = cases()
        .iter()
        .map(|case| case.split('+').next().unwrap_or_default().to_string())
        .filter(|case| !WITHOUT.contains(&case.as_str()))
        .collect();
    let listed: BTreeSet<String> = causes.list.iter().map(|cause| cause.id.clone()).collect();
    assert_eq!(tried, listed);
    assert_eq!(listed.len(), causes.list.len(), "an id is there twice");
    Ok(())
}

fn command() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let status = folder.path().join("status.json");
    let script = fs::read_to_string(common::root().join("modules/status.sh"))?;
    let script = script.replace("/run/ollamalive/status.json", &status.to_string_lossy());
    let run = |arguments: &[&str]| -> Result<(String, Option<i32>), Failed> {
        let output = Command::new("bash")
            .args(["-c", &script, "ollamalive"])
            .args(arguments)
            .env("jq", "jq")
            .output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((String::from_utf8(text)?, output.status.code()))
    };
    let starting = ("Ollama is starting.\n".to_string(), Some(0));
    assert_eq!(run(&["status"])?, starting);
    for (state, text) in [
        ("serving", "Ollama is serving at http://192.168.1.20:1.\n"),
        (
            "degraded",
            "Ollama is serving at http://192.168.1.20:1, with limits:\n- No GPU.\n",
        ),
        ("not serving", "Ollama is not serving:\n- No GPU.\n"),
    ] {
        let causes = if state == "serving" {
            ""
        } else {
            r#"{"id":"gpu","state":"degraded","says":"No GPU."}"#
        };
        let json = format!(
            r#"{{"state":"{state}","address":"http://192.168.1.20:1","causes":[{causes}]}}"#
        );
        fs::write(&status, format!("{json}\n"))?;
        assert_eq!(run(&["status"])?, (text.to_string(), Some(0)));
        assert_eq!(run(&["status", "--json"])?, (format!("{json}\n"), Some(0)));
    }
    let usage = "usage: ollamalive status [--json]\n".to_string();
    assert_eq!(run(&["--status"])?, (usage, Some(2)));
    Ok(())
}
