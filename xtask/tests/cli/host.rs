//! Trouble on the host: a missing program, a hanging KVM, a full disk, Ctrl-C.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::STANDIN;
use crate::common::{ended_with, path_with, refused, trial, xtask};

/// With the record named, so that changed sources do not end it before the guest is made.
const STANDIN_TEST: [&str; 5] = [
    "test",
    "--guest",
    "standin",
    "--snapshots",
    "tests/snapshots",
];

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_missing_qemu_names_the_command_that_installs_it",
            &[],
            no_qemu,
        ),
        trial("a_hanging_kvm_is_not_used", &[], hanging_kvm),
        trial("doctor_names_guest_linters_and_gpg", &[], doctor),
        trial("a_full_disk_leaves_no_half_made_guest", STANDIN, full_disk),
        trial("an_interrupt_leaves_nothing_behind", STANDIN, interrupt),
    ]
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
            "missing packages",
            "qemu-system-x86",
            "apt-get install",
            "--yes",
        ],
    )
}

fn hanging_kvm() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let fake = "case $1 in --version) echo 'QEMU emulator version 9';; *) exec sleep 600;; esac";
    let path = path_with(folder.path(), &["nix"], &[("qemu-system-x86_64", fake)]);
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

/// Without Nix `auto` is the stand-in; one linter is missing, and gpg.
fn doctor() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = path_with(
        folder.path(),
        &["nix", "deadnix", "qemu-system-x86_64", "gpg"],
        &[],
    );
    let output = xtask(folder.path(), &["doctor"])
        .env("PATH", path)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    assert!(
        text.contains("auto is standin: Nix is not installed"),
        "{text}"
    );
    let linters = text.lines().find(|line| line.starts_with("linters "));
    assert!(
        linters.is_some_and(|line| line.contains("missing: ") && line.contains("deadnix")),
        "{text}"
    );
    let gpg = text.lines().find(|line| line.starts_with("gpg "));
    assert!(
        gpg.is_some_and(|line| line.contains("not installed: needed to sign a release")),
        "{text}"
    );
    Ok(())
}

/// The cache may hold only the accelerator's file and locks.
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
            "mmdebstrap was not started"
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
    ended_with(130, &output, &["interrupted", "nothing is left running"])?;
    nothing_half_made(&cache);
    let left = Command::new("pgrep")
        .args(["-f", "^sleep 613.25"])
        .output()?;
    assert!(left.stdout.is_empty(), "a child is left running");
    Ok(())
}
