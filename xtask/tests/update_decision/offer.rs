//! Runs update.jq over the cases of `offers`.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::offers::{CASES, Case, FACTS, MUTANTS, offer};
use crate::{function, module, mutant};

/// What `decision` (the text of update.jq) decides about the case: the verdict, and its sentences.
fn decide(decision: &str, case: &Case) -> Result<(String, String), Failed> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
    let facts = folder.path().join("facts");
    fs::create_dir(&facts)?;
    for (name, text) in FACTS.iter().chain(case.facts) {
        fs::write(facts.join(name), text)?;
    }
    write("decision", decision)?;
    let text = match case.offer {
        Offer::Text(text) => text.to_string(),
        Offer::Changed(change) => {
            let mut offer = offer();
            change(&mut offer);
            offer.to_string()
        }
    };
    write("offer", &text)?;
    let answer = judge(folder.path())?;
    let says = answer["says"].as_array().ok_or("no sentences")?;
    let says: Vec<&str> = says.iter().filter_map(Value::as_str).collect();
    let verdict = answer["verdict"].as_str().ok_or("no verdict")?;
    Ok((verdict.to_string(), says.join("\n")))
}

/// What a machine was offered.
pub enum Offer {
    Text(&'static str),
    Changed(fn(&mut Value)),
}

/// Runs the function of update.sh over the files in `folder`.
fn judge(folder: &Path) -> Result<Value, Failed> {
    let script = function(&module("update.sh"), "judge");
    let output = Command::new("bash")
        .args(["-c", &format!("{script}\njudge offer facts")])
        .env("decision", "decision")
        .current_dir(folder)
        .output()?;
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn is_right(decision: &str, case: &Case) -> Result<(), Failed> {
    let (verdict, says) = decide(decision, case)?;
    match case.words.iter().find(|words| !says.contains(*words)) {
        None if verdict == case.verdict => Ok(()),
        _ => Err(format!("{}: {verdict}: {says}", case.name).into()),
    }
}

pub fn decided() -> Result<(), Failed> {
    let decision = module("update.jq");
    let wrong: Vec<String> = CASES
        .iter()
        .filter_map(|case| is_right(&decision, case).err())
        .filter_map(|failed| failed.message().map(str::to_string))
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

/// One case for each, or they would take minutes.
pub fn mutants() -> Result<(), Failed> {
    let decision = module("update.jq");
    let mut unnoticed = Vec::new();
    for &(name, from, to) in MUTANTS {
        let mutant = mutant(&decision, (from, to))?;
        let case = CASES.iter().find(|case| case.name == name);
        if is_right(&mutant, case.ok_or(name)?).is_ok() {
            unnoticed.push(format!("{name}: {from} as {to}"));
        }
    }
    if unnoticed.is_empty() {
        Ok(())
    } else {
        Err(unnoticed.join("\n").into())
    }
}
