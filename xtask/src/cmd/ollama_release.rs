//! `ollama-release`: pin the newest release of Ollama.

use std::fs;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use vm::process;

use crate::exit::Exit;
use crate::ollama_release::{DOCS, PIN, TAGS, moved, newest, pinned, replaces};
use crate::project;

/// The file for the outputs of a workflow's step.
const OUTPUT: &str = "GITHUB_OUTPUT";
const ANSWER: Duration = Duration::from_secs(120);

pub fn run() -> Result<Exit> {
    let root = project::root()?;
    let read = |name: &str| {
        fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
    };
    let now = pinned(&read(PIN)?)?;
    let newest = newest(&answer()?)?;
    if !replaces(&newest, &now) {
        outln!(
            "{PIN} pins {}; the newest is {}",
            now.version,
            newest.version
        );
        return Ok(Exit::Ok);
    }
    for name in [PIN].iter().chain(DOCS) {
        let text = moved(&read(name)?, &now, &newest);
        fs::write(root.join(name), text).with_context(|| format!("cannot write {name}"))?;
        outln!("{name}: written for {}", newest.version);
    }
    if let Some(file) = std::env::var_os(OUTPUT).filter(|file| !file.is_empty()) {
        let open = fs::File::options().append(true).create(true).open(&file);
        open.and_then(|mut file| {
            writeln!(file, "version={}", newest.version)?;
            writeln!(file, "changelog={}", newest.changelog())
        })
        .with_context(|| format!("cannot write the file that {OUTPUT} names"))?;
    }
    outln!("what changed: {}", newest.changelog());
    outln!("next: cargo xtask snapshot --accept, cargo xtask codegen");
    Ok(Exit::Ok)
}

/// The registry's list of tags.
fn answer() -> Result<String> {
    let mut curl = process::command("curl");
    curl.args(["--fail", "--silent", "--show-error", "--location"])
        .args(["--retry", "3", "--max-time", "30", TAGS]);
    process::run(curl, "asking the registry for Ollama's releases", ANSWER)
}
