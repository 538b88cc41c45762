//! Output: lists, help, completions.

use std::fs;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use xtask::scenario::PROMISES;

use crate::common::{copy_of_project, edit, ended_with, refused, root, trial, xtask};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("every_promise_is_listed", &[], list),
        trial("mutants_are_listed_and_known_by_name", &[], mutants),
        trial("help_shows_examples_of_every_verb", &[], help),
        trial("long_help_lists_the_exit_codes", &[], exit_codes),
        trial("stale_generated_files_are_named_and_written", &[], codegen),
        trial("bash_completes_the_verbs", &["bash"], completions),
        trial("a_closed_pipe_is_not_an_error", &[], closed_pipe),
        trial("lost_output_is_an_error", &[], full_disk),
    ]
}

fn list() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let output = xtask(cache.path(), &["test", "--list"]).output()?;
    let text = String::from_utf8(output.stdout)?;
    for promise in PROMISES.iter() {
        assert!(
            text.contains(promise.id),
            "{} is not listed:\n{text}",
            promise.id
        );
    }
    assert!(output.status.success());
    Ok(())
}

/// The list shows every mutant with the promise that has to catch it; an unknown name is refused.
fn mutants() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let list = xtask(cache.path(), &["mutants", "--list"]).output()?;
    let text = String::from_utf8(list.stdout)?;
    assert!(list.status.success());
    for mutant in xtask::mutant::all() {
        let mut lines = text.lines();
        let listed = lines.any(|line| line.contains(mutant.id) && line.contains(mutant.caught_by));
        assert!(listed, "{} is not listed:\n{text}", mutant.id);
    }
    assert!(text.contains("those with `yes` on nixos too"), "{text}");
    let unknown = xtask(cache.path(), &["mutants", "ssh.pasword-login"]).output()?;
    refused(
        &unknown,
        &[
            "no mutant \"ssh.pasword-login\"",
            "did you mean \"ssh.password-login\"",
            "--list",
        ],
    )
}

fn help() -> Result<(), Failed> {
    use clap::CommandFactory;
    let cache = tempfile::tempdir()?;
    for subcommand in xtask::cli::Cli::command().get_subcommands() {
        let output = xtask(cache.path(), &[subcommand.get_name(), "--help"]).output()?;
        let text = String::from_utf8(output.stdout)?;
        let example = format!("  cargo xtask {}", subcommand.get_name());
        assert!(
            output.status.success() && text.contains("Examples:") && text.contains(&example),
            "{text}"
        );
    }
    Ok(())
}

fn exit_codes() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let output = xtask(cache.path(), &["--help"]).output()?;
    let text = String::from_utf8(output.stdout)?;
    assert!(text.contains(xtask::exit::Exit::HELP.trim_end()), "{text}");
    Ok(())
}

/// In a copy of the project, of which one generated file is changed.
fn codegen() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let project = copy_of_project(folder.path());
    fs::create_dir(project.join("docs"))?;
    for file in ["README.md", "docs/options.md", "docs/owner.md"] {
        fs::copy(root().join(file), project.join(file))?;
    }
    let run = |arguments: &[&str]| {
        let mut command = xtask(&folder.path().join("cache"), arguments);
        command.current_dir(&project).output()
    };
    assert!(run(&["codegen", "--check"])?.status.success());
    edit(
        &project.join("README.md"),
        "| `boot.reaches-target` |",
        "| gone |",
    );
    let stale = run(&["codegen", "--check"])?;
    ended_with(3, &stale, &["stale: README.md", "cargo xtask codegen"])?;
    let written = run(&["codegen"])?;
    assert_eq!(String::from_utf8(written.stdout)?, "wrote README.md\n");
    assert!(run(&["codegen", "--check"])?.status.success());
    Ok(())
}

/// Bash completes `cargo xtask mut` and `xtask test --rep`.
fn completions() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let output = xtask(cache.path(), &["completions", "bash"]).output()?;
    let script = cache.path().join("xtask.bash");
    fs::write(&script, output.stdout)?;
    let asked = r#"source "$1"
        COMP_WORDS=(cargo xtask mut) COMP_CWORD=2; _cargo_or_xtask cargo mut xtask; echo "${COMPREPLY[@]}"
        COMP_WORDS=(xtask test --rep) COMP_CWORD=2; _xtask xtask --rep test; echo "${COMPREPLY[@]}""#;
    let offered = Command::new("bash")
        .args(["-c", asked, "bash"])
        .arg(&script)
        .output()?;
    let text = String::from_utf8(offered.stdout)?;
    assert_eq!(text, "mutants\n--repeat\n", "{:?}", offered.stderr);
    let help = xtask(cache.path(), &["completions", "--help"]).output()?;
    let help = String::from_utf8(help.stdout)?.to_lowercase();
    assert!(
        !help.contains("elvish") && !help.contains("powershell"),
        "{help}"
    );
    let elvish = xtask(cache.path(), &["completions", "elvish"]).output()?;
    refused(&elvish, &["elvish", "bash, zsh, fish"])
}

fn closed_pipe() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let mut child = xtask(cache.path(), &["mutants", "--list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "{}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Ok(())
}

/// `/dev/full` refuses every write, as a full disk does.
fn full_disk() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let full = || fs::File::options().write(true).open("/dev/full");
    for arguments in [
        &["mutants", "--list"][..],
        &["--help"],
        &["completions", "bash"],
    ] {
        let output = xtask(cache.path(), arguments).stdout(full()?).output()?;
        refused(
            &output,
            &["cannot write to standard output", "No space left"],
        )?;
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    }
    // There is nowhere to say it.
    let output = xtask(cache.path(), &["test", "firewal"])
        .stderr(full()?)
        .output()?;
    assert_eq!(output.status.code(), Some(2));
    Ok(())
}
