//! Bad input and its error messages.

use std::fs;

use libtest_mimic::{Failed, Trial};

use crate::STANDIN;
use crate::common::{copy_of_project, edit, path_with, refused, trial, xtask};

pub fn trials() -> Vec<Trial> {
    let drive = trial(
        "an_ill_formed_models_drive_says_what_to_write",
        &["nix", "git"],
        ill_formed_drive,
    );
    let no_nixpkgs = std::env::var_os("OLLAMALIVE_NIXPKGS").is_none();
    vec![
        trial(
            "an_unknown_scenario_names_the_nearest",
            &[],
            unknown_scenario,
        ),
        trial("an_unknown_option_is_one_line", &[], unknown_option),
        trial(
            "an_ollama_that_is_not_one_is_refused",
            &["qemu-system-x86_64", "mke2fs", "mkntfs", "ssh"],
            no_ollama,
        ),
        trial(
            "nothing_is_run_again_when_nothing_failed",
            &[],
            nothing_to_rerun,
        ),
        trial(
            "nixos_without_nix_says_what_to_use_instead",
            STANDIN,
            no_nix,
        ),
        trial(
            "a_stale_record_names_the_changed_file",
            STANDIN,
            stale_record,
        ),
        trial("a_record_that_is_not_json_is_named", STANDIN, broken_record),
        trial(
            "a_ready_image_is_held_to_its_contract",
            &["qemu-system-x86_64", "mke2fs", "mkntfs", "ssh"],
            ready_image,
        ),
        trial(
            "a_report_that_cannot_be_written_is_named",
            &["qemu-system-x86_64"],
            unwritable_report,
        ),
        drive.with_ignored_flag(no_nixpkgs),
    ]
}

fn unknown_scenario() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let output = xtask(cache.path(), &["test", "firewal"]).output()?;
    refused(
        &output,
        &[
            "no scenario \"firewal\"",
            "did you mean \"firewall\"",
            "--list",
        ],
    )
}

fn unknown_option() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let output = xtask(cache.path(), &["test", "--gest", "standin"]).output()?;
    refused(&output, &["--gest", "--guest", "--help"])?;
    let output = xtask(cache.path(), &["test", "--guest", "debian"]).output()?;
    refused(&output, &["debian", "standin"])
}

fn no_ollama() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let nowhere = xtask(cache.path(), &["test", "--ollama", "/no/such.tar"]).output()?;
    refused(&nowhere, &["--ollama /no/such.tar", "docker save"])?;
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("bin"))?;
    fs::copy("/bin/true", folder.path().join("bin/ollama"))?;
    let option = folder.path().display().to_string();
    let half = xtask(cache.path(), &["test", "--ollama", &option]).output()?;
    refused(
        &half,
        &["lib/ollama/llama-server is missing", "llama-quantize"],
    )?;
    let mutant = xtask(cache.path(), &["mutants", "--ollama", &option]).output()?;
    refused(&mutant, &["lib/ollama/llama-server is missing"])
}

fn nothing_to_rerun() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let output = xtask(cache.path(), &["test", "--rerun"]).output()?;
    refused(&output, &["no promise failed", "--rerun"])?;
    let failed = r#"[{"guest":"nixos","scenario":"ssh","promise":"ssh.root-refused"}]"#;
    fs::write(cache.path().join("last-failed.json"), failed)?;
    let other = xtask(cache.path(), &["test", "--rerun", "--guest", "standin"]).output()?;
    refused(&other, &["no promise failed", "--rerun"])?;
    let both = xtask(cache.path(), &["test", "--rerun", "ssh"]).output()?;
    refused(&both, &["--rerun", "cannot be used with"])?;
    for option in ["--repeat", "--jobs"] {
        for count in ["0", "-1", "many"] {
            let option_and_count = format!("{option}={count}");
            let none = xtask(cache.path(), &["test", &option_and_count]).output()?;
            refused(&none, &[option, count, "give a whole number, 1 or more"])?;
        }
    }
    Ok(())
}

fn no_nix() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = path_with(folder.path(), &["nix"], &[]);
    let output = xtask(folder.path(), &["test", "--guest", "nixos"])
        .env("PATH", path)
        .output()?;
    refused(&output, &["no nix on the PATH", "--guest standin"])
}

fn stale_record() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let project = copy_of_project(folder.path());
    let mut text = fs::read_to_string(project.join("modules/ssh.nix"))?;
    text.push_str("# changed\n");
    fs::write(project.join("modules/ssh.nix"), text)?;
    let output = xtask(
        &folder.path().join("cache"),
        &["test", "--guest", "standin"],
    )
    .current_dir(&project)
    .output()?;
    refused(
        &output,
        &["stale", "modules/ssh.nix", "cargo xtask snapshot --accept"],
    )
}

fn broken_record() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let project = copy_of_project(folder.path());
    let record = project.join("tests/snapshots");
    fs::write(record.join("ssh.snap"), "---\nsource: x\n---\n{ not json")?;
    let option = record.display().to_string();
    let output = xtask(
        &folder.path().join("cache"),
        &["test", "--snapshots", &option],
    )
    .output()?;
    refused(
        &output,
        &[
            "ssh.snap",
            "not a snapshot with JSON inside",
            "cargo xtask snapshot --accept",
        ],
    )?;
    let output = xtask(
        &folder.path().join("cache"),
        &["test", "--snapshots", "/no/such/folder"],
    )
    .output()?;
    refused(&output, &["/no/such/folder"])
}

/// An image without its contract, and a file that is not a contract.
fn ready_image() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let contract = folder.path().join("contract.json");
    fs::write(&contract, "{}")?;
    let contract = contract.display().to_string();
    let run = |arguments: &[&str]| xtask(&folder.path().join("cache"), arguments).output();
    refused(&run(&["test", "--image", "x.raw"])?, &["--contract"])?;
    let output = run(&["test", "--image", "x.raw", "--contract", &contract])?;
    refused(
        &output,
        &["contract.json is not a configuration", "missing field"],
    )
}

fn unwritable_report() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let output = xtask(
        cache.path(),
        &["doctor", "--json", "/no/such/folder/x.json"],
    )
    .output()?;
    refused(&output, &["cannot write /no/such/folder/x.json"])?;
    // Before anything is booted or made.
    for option in ["--html", "--junit", "--json"] {
        let folder = tempfile::tempdir()?;
        let cache = folder.path().join("cache");
        let output = xtask(&cache, &["test", option, "/no/such/folder/x"]).output()?;
        refused(&output, &["cannot write /no/such/folder/x"])?;
        assert!(!cache.exists());
    }
    Ok(())
}

/// With the nixpkgs of $OLLAMALIVE_NIXPKGS: the message is an evaluation away.
fn ill_formed_drive() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let project = copy_of_project(folder.path());
    edit(
        &project.join("configuration.nix"),
        "\"LABEL=Models\"",
        "\"/dev/sda1\"",
    );
    let output = xtask(&folder.path().join("cache"), &["check"])
        .current_dir(&project)
        .output()?;
    refused(
        &output,
        &["ollamalive.models.drive", "/dev/sda1", "LABEL=", "UUID="],
    )
}
