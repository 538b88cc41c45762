//! What trial.sh finds wrong with a new version.

use std::collections::BTreeSet;
use std::process::Command;

use libtest_mimic::Failed;

use crate::{module, mutant};

/// Runs `command` after trial.sh. Returns what it prints, and whether it succeeds.
pub fn run(script: &str, command: &str, arguments: &[&str]) -> Result<(String, bool), Failed> {
    let folder = tempfile::tempdir()?;
    let causes: Vec<String> = of_the_system().into_iter().collect();
    // As NixOS starts a unit's script.
    let output = Command::new("bash")
        .args(["-e", "-c", &format!("{script}\n{command}"), "trial"])
        .args(arguments)
        .env("causes", causes.join(" "))
        .envs([("port", "22"), ("key", "key")])
        .envs([("bless", "bless"), ("variable", "variable")])
        .envs([("run", "run"), ("boot", "boot"), ("undone", "undone")])
        .current_dir(folder.path())
        .output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8(text)?, output.status.success()))
}

/// The causes with `own` in causes.nix, which is written one field a line.
fn of_the_system() -> BTreeSet<String> {
    let text = module("causes.nix");
    let entries = text.split("\n  {\n").skip(1);
    entries
        .filter(|entry| entry.contains("    own = true;\n"))
        .filter_map(|entry| entry.split("id = \"").nth(1)?.split('"').next())
        .map(str::to_string)
        .collect()
}

/// A cause for which a version is undone means that Ollama does not serve; no other state is looked at.
pub fn own() -> Result<(), Failed> {
    let text = module("causes.nix");
    let own = of_the_system();
    assert!(own.contains("docker-down") && own.contains("restarts"));
    assert!(!own.contains("no-cable") && !own.contains("drive-missing"));
    for id in own {
        let entry = text
            .split(&format!("id = \"{id}\";\n"))
            .nth(1)
            .ok_or("no entry")?;
        assert!(
            entry.trim_start().starts_with("state = notServing;"),
            "{id}"
        );
    }
    Ok(())
}

const KEY: &str = "ssh-ed25519 AAAA";
const SERVING: &str = r#"{"state":"serving","address":null,"causes":[]}"#;
const DEGRADED: &str = r#"{"state":"degraded","causes":[{"id":"gpu-none","state":"degraded","says":"No NVIDIA GPU found."}]}"#;
const STARTING: &str = r#"{"state":"starting","causes":[]}"#;
const DOWNLOADING: &str = r#"{"state":"starting","causes":[{"id":"image-downloading","state":"serving","says":"Ollama starts once it is there."}]}"#;
const LOADING: &str = r#"{"state":"starting","causes":[{"id":"image-loading","state":"serving","says":"Ollama's image is being loaded."}]}"#;
const OUTSIDE: &str = r#"{"state":"not serving","causes":[{"id":"no-cable","state":"not serving","says":"No network cable is plugged in."}]}"#;
const OWN: &str = r#"{"state":"not serving","causes":[{"id":"no-cable","state":"not serving","says":"No network cable."},{"id":"docker-down","state":"not serving","says":"Docker does not run. Restart the PC."}]}"#;

/// The arguments of `verdict`, and what it prints.
#[rustfmt::skip]
const CASES: &[(&str, [&str; 6], &str)] = &[
    ("serving", [KEY, KEY, "stick", "stick", SERVING, "0"], ""),
    ("degraded", [KEY, KEY, "stick", "stick", DEGRADED, "0"], ""),
    ("SSH silent", ["", KEY, "stick", "stick", SERVING, "800"], "wait: SSH does not answer"),
    ("SSH silent, and no key", ["", "", "stick", "stick", SERVING, "0"], "wait: SSH does not answer"),
    ("another key", ["ssh-ed25519 BBBB", KEY, "stick", "stick", SERVING, "0"], "SSH shows another host key"),
    ("no key of its own", [KEY, "", "stick", "stick", SERVING, "0"], "SSH shows another host key"),
    ("an ESP that cannot be read", [KEY, KEY, "stick", "", SERVING, "800"], "wait: the stick's first partition (ESP) cannot be read"),
    ("PERSIST gone", [KEY, KEY, "memory", "stick", SERVING, "0"], "PERSIST is no longer in use"),
    ("PERSIST in memory before as well", [KEY, KEY, "memory", "memory", SERVING, "0"], ""),
    ("PERSIST in memory before", [KEY, KEY, "stick", "memory", SERVING, "0"], ""),
    ("starting", [KEY, KEY, "stick", "stick", STARTING, "800"], "wait: Ollama does not answer"),
    ("downloading", [KEY, KEY, "stick", "stick", DOWNLOADING, "0"], ""),
    ("loading", [KEY, KEY, "stick", "stick", LOADING, "800"], "wait: Ollama does not answer"),
    ("an outside reason at first", [KEY, KEY, "stick", "stick", OUTSIDE, "119"], "wait: Ollama does not serve"),
    ("an outside reason that stays", [KEY, KEY, "stick", "stick", OUTSIDE, "120"], ""),
    ("an own reason", [KEY, KEY, "stick", "stick", OWN, "800"], "wait: Docker does not run"),
    ("no status", [KEY, KEY, "stick", "stick", "", "800"], "wait: the state of Ollama is not known"),
    ("half a status", [KEY, KEY, "stick", "stick", "{\"state\":\"serv", "800"], "wait: the state of Ollama is not known"),
    ("an empty status", [KEY, KEY, "stick", "stick", "{}", "800"], "wait: the state of Ollama is not known"),
];

/// A rule of trial.sh, and what takes its place.
#[rustfmt::skip]
const MUTANTS: &[(&str, &str)] = &[
    (r#"if [ -z "$shown" ]; then"#, "if false; then"),
    (r#"elif [ "$shown" != "$own" ]; then"#, "elif false; then"),
    (r#"elif [ -z "$was" ]; then"#, "elif false; then"),
    (r#"[ "$was" = stick ] && [ "$is" != stick ]"#, "false"),
    (r#"[ "$was" = stick ] && "#, ""),
    (r#" && [ "$is" != stick ]"#, ""),
    (r#" or $state == "degraded""#, ""),
    (r#"$state == "starting" and any($causes[]?; .id == "image-downloading")"#, "false"),
    (r#" and any($causes[]?; .id == "image-downloading")"#, ""),
    (r#"elif $state == "starting" then"#, "elif false then"),
    (r#"elif $state != "not serving" then"#, "elif false then"),
    ("elif $cause != null then", "elif false then"),
    (r#"select(.id as $id | $own | split(" ") | index($id))"#, "select(true)"),
    ("elif $waited == 0 then", "elif false then"),
    ("elif $waited == 0 then", "elif true then"),
    ("seconds >= settled", "seconds > settled"),
    (r#" | split(". ")[0]"#, ""),
    (r#"[ "$found" = well ] || echo"#, "echo"),
    ("${found:-wait: the state of Ollama is not known}", "$found"),
];

/// The first case that is judged otherwise.
fn wrong(script: &str) -> Result<Option<String>, Failed> {
    for (name, arguments, said) in CASES {
        let (text, succeeds) = run(script, r#"verdict "$@""#, arguments)?;
        let wanted = if said.is_empty() {
            String::new()
        } else {
            format!("{said}\n")
        };
        if text != wanted || !succeeds {
            return Ok(Some(format!("{name}: {text:?}")));
        }
    }
    Ok(None)
}

pub fn judged() -> Result<(), Failed> {
    assert_eq!(wrong(&module("trial.sh"))?, None);
    Ok(())
}

pub fn mutants() -> Result<(), Failed> {
    let script = module("trial.sh");
    for edit in MUTANTS {
        let mutant = mutant(&script, *edit)?;
        assert!(wrong(&mutant)?.is_some(), "unnoticed: {edit:?}");
    }
    Ok(())
}
