//! Helpers of the integration tests. They run under libtest-mimic, because some need programs that are not installed
//! everywhere: without them a test is reported as ignored, never as passed.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as a user would"
)]
#![allow(dead_code, reason = "every test program uses its own part")]

pub mod commands;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};

/// The project's top folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is in the project")
        .to_path_buf()
}

/// A test that is ignored unless all of `programs` are installed.
pub fn trial(name: &str, programs: &[&str], run: fn() -> Result<(), Failed>) -> Trial {
    let missing: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| !xtask::packages::has(program))
        .collect();
    if missing.is_empty() {
        return Trial::test(name, run);
    }
    Trial::test(format!("{name} (ignored: no {})", missing.join(", ")), run).with_ignored_flag(true)
}

/// `xtask` with a cache of its own.
pub fn xtask(cache: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(arguments)
        .env("OLLAMALIVE_CACHE", cache)
        .current_dir(root());
    command
}

/// Fails unless `output` is a refusal: exit 2 and one line of error that holds all of `words`.
pub fn refused(output: &Output, words: &[&str]) -> Result<(), Failed> {
    ended_with(2, output, words)
}

/// Fails unless `output` has the exit code `wanted` and one line of error that holds all of `words`.
pub fn ended_with(wanted: i32, output: &Output, words: &[&str]) -> Result<(), Failed> {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("error:"))
        .collect();
    let code = output.status.code();
    if code != Some(wanted) || lines.len() != 1 {
        return Err(
            format!("not a one-line error with exit {wanted} but {code:?}:\n{stderr}").into(),
        );
    }
    match words.iter().find(|word| !lines[0].contains(*word)) {
        Some(word) => Err(format!("{word:?} is not in: {}", lines[0]).into()),
        None => Ok(()),
    }
}

/// A PATH with all programs of this one except `hidden`, and with the scripts `fakes` first.
pub fn path_with(folder: &Path, hidden: &[&str], fakes: &[(&str, &str)]) -> String {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).unwrap();
    for (name, script) in fakes {
        fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for entry in std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        if !hidden.iter().any(|hidden| name == *hidden) {
            // The first of a name wins, as on any PATH.
            let _ = symlink(entry.path(), bin.join(name));
        }
    }
    bin.display().to_string()
}

/// A copy of the project's configuration and its record, in a git repository of its own.
pub fn copy_of_project(folder: &Path) -> PathBuf {
    let copy = folder.join("project");
    fs::create_dir_all(&copy).unwrap();
    let script = "cp -r flake.nix flake.lock configuration.nix modules tests Cargo.toml Cargo.lock \"$1\" && mkdir -p \"$1/xtask\" \
                  && cp xtask/Cargo.toml \"$1/xtask\" && cd \"$1\" && git init -q && git add -A";
    let status = Command::new("sh")
        .args(["-ec", script, "sh"])
        .arg(&copy)
        .current_dir(root())
        .status()
        .unwrap();
    assert!(status.success());
    copy
}

/// Replaces `from` by `to` in a file that holds it.
pub fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}
