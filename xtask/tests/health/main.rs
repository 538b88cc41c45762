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
use std::path::PathBuf;
use std::process::Command;

use libtest_mimic::{Arguments, Failed};
use serde_json::Value;
use xtask::causes::Causes;
use xtask::mutant::Edit;

/// Mutants of causes that the test's machines cannot have: the cause, and what of its words is changed to others.
const SIMULATED: [(&str, &str); 1] = [("update-undone", r#""words":"was undone""#)];

/// Cases that are about no cause.
const WITHOUT: [&str; 2] = ["notice", "serving"];

fn main() {
    let tools = &["bash", "jq"];
    let trials = vec![
        common::trial("every_cause_has_a_case", &[], every_cause),
        common::trial("each_case_is_said", tools, || {
            let record = record()?;
            cases().iter().try_for_each(|case| said(&record, case))
        }),
        common::trial("each_mutant_of_a_cause_is_caught", tools, mutants),
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

fn record() -> Result<Value, Failed> {
    let folder = xtask::snapshot::folder(&common::root());
    Ok(xtask::snapshot::load_json(&folder)?)
}

/// What the programs in `record` decide from the facts of `case`.
fn decide(record: &Value, case: &str) -> Result<Value, Failed> {
    let folder = tempfile::tempdir()?;
    let facts = folder.path().join("facts");
    fs::create_dir(&facts)?;
    for from in [here().join("good"), here().join("cases").join(case)] {
        for file in fs::read_dir(from)? {
            let file = file?;
            if file.file_name() != "expected" {
                fs::copy(file.path(), facts.join(file.file_name()))?;
            }
        }
    }
    let program = |name: &str| -> Result<PathBuf, Failed> {
        let text = record["scripts"][name].as_str().ok_or("no such script")?;
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    };
    let output = Command::new("bash")
        .args(["-c", r#". "$1"; decide "$2""#, "bash"])
        .arg(common::root().join("modules/health.sh"))
        .arg(&facts)
        .env("settings", program("ollamalive-health.json")?)
        .env("decision", program("ollamalive-health.jq")?)
        .envs([("port", "11434"), ("command", "c")])
        .output()?;
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Whether `state` names the cause `id`.
fn names(state: &Value, id: &str) -> bool {
    let causes = state["causes"].as_array();
    causes.into_iter().flatten().any(|cause| cause["id"] == id)
}

fn said(record: &Value, case: &str) -> Result<(), Failed> {
    let case_folder = here().join("cases").join(case);
    let state = decide(record, case)?;
    let mut text = format!("{}\n", state["state"].as_str().ok_or("no state")?);
    let causes = state["causes"].as_array().ok_or("no causes")?;
    for cause in causes {
        let word = |field: &str| cause[field].as_str().unwrap_or_default();
        writeln!(text, "{}: {}", word("id"), word("says"))?;
    }
    assert_eq!(text, fs::read_to_string(case_folder.join("expected"))?);
    let about = case.split('+').next().unwrap_or_default();
    if about != "serving" {
        assert!(names(&state, about), "{about} is not among the causes");
    }
    assert!(!text.contains('{'), "a word is missing: {text}");
    Ok(())
}

/// A mutant that keeps a cause back keeps it back from the cause's own case: on a machine, each takes minutes.
fn mutants() -> Result<(), Failed> {
    let record = record()?;
    let mut tried = 0;
    for mutant in xtask::mutant::all() {
        let id = mutant.id.strip_prefix("health.");
        let Some(cause) = id.and_then(|id| id.strip_suffix("-unsaid")) else {
            continue;
        };
        let case = here().join("cases").join(cause);
        let state = decide(&mutant.apply(&record)?, cause)?;
        assert!(case.is_dir() && !names(&state, cause), "{}", mutant.id);
        tried += 1;
    }
    assert!(tried > 0, "no mutant is about a cause");
    for (cause, words) in SIMULATED {
        let mut mutant = record.clone();
        let place = "/scripts/ollamalive-health.json";
        Edit::Replace(place, words, r#""words":"other words""#).apply(&mut mutant)?;
        assert!(!names(&decide(&mutant, cause)?, cause), "{cause}");
    }
    Ok(())
}

fn every_cause() -> Result<(), Failed> {
    let causes = Causes::of(&record()?)?;
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
            .envs([("jq", "jq"), ("update", "echo")])
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
    let update = run(&["update", "--check", "a  b"])?;
    assert_eq!(update, ("--check a  b\n".to_string(), Some(0)));
    assert_eq!(run(&["update"])?, ("\n".to_string(), Some(0)));
    let usage = "usage: ollamalive status [--json]\n       \
                 ollamalive update [--check | --state] [--yes] [--force] [--restart]\n";
    for wrong in ["--status", "updates", "status --check"] {
        assert_eq!(run(&[wrong])?, (usage.to_string(), Some(2)), "{wrong}");
    }
    Ok(())
}
