//! Bad input: what the user is told, and what is left behind.

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{copy_of_project, edit, path_with, refused, root, trial, xtask};
use libtest_mimic::{Arguments, Failed};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use xtask::scenario::PROMISES;

/// What the stand-in guest is made with, beside QEMU and SSH.
const STANDIN: &[&str] = &[
    "qemu-system-x86_64",
    "mmdebstrap",
    "genext2fs",
    "mkntfs",
    "ssh",
];

/// With the record named, so that changed sources do not end it before the guest is made.
const STANDIN_TEST: [&str; 5] = [
    "test",
    "--guest",
    "standin",
    "--snapshots",
    "tests/snapshots",
];

fn main() {
    let trials = vec![
        trial("every_promise_is_listed", &[], list),
        trial("nobody_has_to_listen_to_the_end", &[], closed_pipe),
        trial("the_readme_shows_the_promises_as_they_are", &[], readme),
        trial(
            "an_unknown_scenario_names_the_nearest",
            &[],
            unknown_scenario,
        ),
        trial(
            "nothing_is_run_again_when_nothing_failed",
            &[],
            nothing_to_rerun,
        ),
        trial("help_shows_examples_of_every_verb", &[], help),
        trial("bash_completes_the_verbs", &["bash"], completions),
        trial("mutants_are_listed_and_known_by_name", &[], mutants),
        trial("an_unknown_option_is_one_line", &[], unknown_option),
        trial(
            "a_missing_qemu_names_the_command_that_installs_it",
            &[],
            no_qemu,
        ),
        trial(
            "nixos_without_nix_says_what_to_use_instead",
            STANDIN,
            no_nix,
        ),
        trial("a_kvm_that_hangs_is_not_taken", &[], hanging_kvm),
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
        trial("a_full_disk_leaves_no_half_made_guest", STANDIN, full_disk),
        trial("an_interrupt_leaves_nothing", STANDIN, interrupt),
        trial(
            "a_report_that_cannot_be_written_is_named",
            &["qemu-system-x86_64"],
            unwritable_report,
        ),
    ];
    let mut trials = trials;
    let mut drive = trial(
        "an_ill_formed_models_drive_says_what_to_write",
        &["nix", "git"],
        ill_formed_drive,
    );
    if std::env::var_os("OLLAMALIVE_NIXPKGS").is_none() {
        drive = drive.with_ignored_flag(true);
    }
    trials.push(drive);
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn list() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let output = xtask(cache.path(), &["test", "--list"]).output()?;
    let text = String::from_utf8(output.stdout)?;
    for promise in PROMISES {
        assert!(
            text.contains(promise.id),
            "{} is not listed:\n{text}",
            promise.id
        );
    }
    assert!(output.status.success());
    Ok(())
}

/// The table between the markers is generated: `UPDATE_README=1 cargo test -p xtask --test cli readme` writes it.
fn readme() -> Result<(), Failed> {
    const BEGIN: &str = "<!-- promises: generated -->\n";
    const END: &str = "<!-- end of promises -->";
    let path = root().join("README.md");
    let text = fs::read_to_string(&path)?;
    let (head, rest) = text
        .split_once(BEGIN)
        .ok_or("README.md has lost its marker")?;
    let (table, tail) = rest
        .split_once(END)
        .ok_or("README.md has lost its marker")?;
    let wanted = xtask::report::markdown();
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{wanted}{END}{tail}"))?;
    } else if table != wanted {
        return Err("the promises in README.md are not those of the code: UPDATE_README=1 cargo test -p xtask --test cli readme".into());
    }
    Ok(())
}

/// The list names every mutant beside the promise that is to catch it; a name that no mutant has is refused.
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

fn no_qemu() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = path_with(folder.path(), &["qemu-system-x86_64"], &[]);
    let output = xtask(folder.path(), &["test", "--guest", "standin"])
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()?;
    refused(
        &output,
        &[
            "missing here",
            "qemu-system-x86",
            "apt-get install",
            "--yes",
        ],
    )
}

fn no_nix() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = path_with(folder.path(), &["nix"], &[]);
    let output = xtask(folder.path(), &["test", "--guest", "nixos"])
        .env("PATH", path)
        .output()?;
    refused(&output, &["no nix on the PATH", "--guest standin"])
}

fn hanging_kvm() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let fake = "case $1 in --version) echo 'QEMU emulator version 9';; *) exec sleep 600;; esac";
    let path = path_with(folder.path(), &[], &[("qemu-system-x86_64", fake)]);
    let start = Instant::now();
    let output = xtask(folder.path(), &["doctor"])
        .env("PATH", path)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    assert!(
        output.status.success() && text.contains("TCG (emulation, several times slower): /dev/kvm"),
        "{text}"
    );
    if fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok()
    {
        assert!(text.contains("hung for 8 s"), "{text}");
    }
    assert!(start.elapsed() < Duration::from_secs(60));
    assert!(text.contains("to clear it: rm -r"), "{text}");
    Ok(())
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

/// An image without its contract, and a contract that is none.
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

/// Nothing but the accelerator's memory and the lock may be in the cache.
fn nothing_half_made(cache: &std::path::Path) {
    for entry in fs::read_dir(cache).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let empty_runs = name == "runs" && fs::read_dir(entry.path()).unwrap().next().is_none();
        assert!(
            empty_runs || name == "accelerator.json" || name.ends_with(".lock"),
            "{name} is left in the cache"
        );
    }
}

fn full_disk() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let cache = folder.path().join("cache");
    let fake = "echo 'E: write error: No space left on device' >&2; exit 1";
    let path = path_with(folder.path(), &[], &[("mmdebstrap", fake)]);
    let output = xtask(&cache, &STANDIN_TEST).env("PATH", path).output()?;
    refused(&output, &["stand-in guest", "No space left on device"])?;
    nothing_half_made(&cache);
    Ok(())
}

fn interrupt() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let cache = folder.path().join("cache");
    let mark = folder.path().join("started");
    let fake = format!("touch {}; sleep 613.25 & wait", mark.display());
    let path = path_with(folder.path(), &[], &[("mmdebstrap", &fake)]);
    let child = xtask(&cache, &STANDIN_TEST)
        .env("PATH", path)
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    while !mark.exists() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the guest is not being made"
        );
        thread::sleep(Duration::from_millis(50));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT)?;
    let interrupted = Instant::now();
    let output = child.wait_with_output()?;
    assert!(
        interrupted.elapsed() < Duration::from_secs(15),
        "it took {:?}",
        interrupted.elapsed()
    );
    refused(&output, &["interrupted", "nothing is left running"])?;
    nothing_half_made(&cache);
    let left = Command::new("pgrep")
        .args(["-f", "^sleep 613.25"])
        .output()?;
    assert!(left.stdout.is_empty(), "a child is left running");
    Ok(())
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
    let none = xtask(cache.path(), &["test", "--multiply", "0"]).output()?;
    refused(&none, &["--multiply"])
}

fn help() -> Result<(), Failed> {
    use clap::CommandFactory;
    let cache = tempfile::tempdir()?;
    for verb in xtask::cli::Cli::command().get_subcommands() {
        let output = xtask(cache.path(), &[verb.get_name(), "--help"]).output()?;
        let text = String::from_utf8(output.stdout)?;
        let example = format!("  cargo xtask {}", verb.get_name());
        assert!(
            output.status.success() && text.contains("Examples:") && text.contains(&example),
            "{text}"
        );
    }
    Ok(())
}

/// What bash offers after `cargo xtask mut` and after `xtask test --mul`.
fn completions() -> Result<(), Failed> {
    let cache = tempfile::tempdir()?;
    let output = xtask(cache.path(), &["completions", "bash"]).output()?;
    let script = cache.path().join("xtask.bash");
    fs::write(&script, output.stdout)?;
    let asked = r#"source "$1"
        COMP_WORDS=(cargo xtask mut) COMP_CWORD=2; _cargo_or_xtask cargo mut xtask; echo "${COMPREPLY[@]}"
        COMP_WORDS=(xtask test --mul) COMP_CWORD=2; _xtask xtask --mul test; echo "${COMPREPLY[@]}""#;
    let offered = Command::new("bash")
        .args(["-c", asked, "bash"])
        .arg(&script)
        .output()?;
    let text = String::from_utf8(offered.stdout)?;
    assert_eq!(text, "mutants\n--multiply\n", "{:?}", offered.stderr);
    let elvish = xtask(cache.path(), &["completions", "elvish"]).output()?;
    refused(&elvish, &["elvish", "bash, zsh or fish"])
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
