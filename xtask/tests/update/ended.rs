//! Updates that were sent.

use std::fs::{self, File};
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stick::monitor::NoMonitor;
use stick::update::UpdateImage;

use crate::common::{ended_with, refused, trial};
use crate::machine::{DOWN, Machine, NEW, OLD, description, runs, undid};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_machine_that_comes_back_is_well", &[], well),
        trial("a_version_that_was_undone_exits_with_1", &[], undone),
        trial("a_machine_need_not_restart", &[], no_restart),
        trial("a_loaded_model_keeps_the_machine_running", &[], loaded),
        trial("a_connection_lost_in_the_middle_changes_nothing", &[], cut),
        trial(
            "a_connection_lost_at_the_end_may_be_a_restart",
            &[],
            lost_at_the_end,
        ),
        trial("a_release_is_sent_as_it_is", &[], release),
        trial("an_interrupt_leaves_no_ssh", &[], interrupt),
    ]
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn well() -> Result<(), Failed> {
    let machine = Machine::new();
    let trial = runs(NEW, true);
    machine.states(&[runs(OLD, false), DOWN.into(), trial, runs(NEW, false)]);
    let output = machine.update(&["--port", "2222"]);
    let said = said(&output);
    assert!(output.status.success(), "{output:?}");
    for words in [
        format!("machine    pc: version {OLD}\n"),
        format!("update     version {NEW}, "),
        "the machine is offline\n".into(),
        "the new version is running, on trial\n".into(),
        format!("version {NEW} runs on pc and is healthy\n"),
    ] {
        assert!(said.contains(&words), "{words} is not in:\n{said}");
    }
    let call = machine.call("--pushed").unwrap();
    assert!(
        call.ends_with("-p 2222 -- pc sudo -n ollamalive update --pushed --restart"),
        "{call}"
    );
    assert!(call.contains("BatchMode=yes"), "{call}");
    let expected = UpdateImage::open(&machine.image)?.digest(&NoMonitor)?;
    let expected = serde_json::to_value(&expected)?;
    assert_eq!(description(&fs::read(machine.file("examined"))?), expected);
    assert_eq!(expected["configuration"]["OLLAMALIVE_USER"], "alice");
    let mut archive = tar::Archive::new(File::open(machine.file("pushed.tar"))?);
    let names: Vec<String> = archive
        .entries()?
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    let file = |at: usize| expected["files"][at]["file"].as_str().unwrap();
    assert_eq!(names, ["update.json", file(0), file(1), file(2)]);
    Ok(())
}

fn undone() -> Result<(), Failed> {
    let machine = Machine::new();
    let undid = undid("Docker did not start.");
    machine.states(&[runs(OLD, false), DOWN.into(), undid]);
    let words =
        [&format!("version {NEW} was undone on pc: Docker did not start; version {OLD} runs")[..]];
    ended_with(1, &machine.update(&[]), &words)
}

fn no_restart() -> Result<(), Failed> {
    let machine = Machine::new();
    let output = machine.update(&["--no-restart"]);
    assert!(output.status.success(), "{output:?}");
    assert!(said(&output).contains("is installed on pc, and starts at its next restart"));
    assert!(machine.call("--pushed").unwrap().ends_with("--pushed"));
    Ok(())
}

fn loaded() -> Result<(), Failed> {
    let machine = Machine::new();
    machine.set("pushed.code", "3");
    machine.set(
        "pushed.out",
        "Version 2 is installed.\nThe model x is loaded. The PC was not restarted.\n",
    );
    let words = [
        NEW,
        "is installed on pc and has not been started",
        "The model x is loaded",
    ];
    refused(&machine.update(&[]), &words)?;
    // The machine's answer decides, not the option.
    refused(&machine.update(&["--force"]), &words)?;
    let forced = machine.call("--pushed --force --restart");
    assert!(forced.is_some());
    Ok(())
}

fn cut() -> Result<(), Failed> {
    let machine = Machine::new();
    machine.set("cut", "");
    let output = machine.update(&[]);
    let words = [
        "the connection to pc was lost while the update was sent",
        "closed by remote host",
        "nothing has changed",
        "run this again",
    ];
    refused(&output, &words)
}

fn lost_at_the_end() -> Result<(), Failed> {
    let machine = Machine::new();
    machine.set("pushed.code", "255");
    machine.states(&[runs(OLD, false), DOWN.into(), runs(NEW, false)]);
    let output = machine.update(&[]);
    assert!(output.status.success(), "{output:?}");
    assert!(said(&output).contains("is healthy"));
    Ok(())
}

fn release() -> Result<(), Failed> {
    let machine = Machine::new();
    let release = machine.folder.path().join("release");
    fs::create_dir(&release)?;
    let update = UpdateImage::open(&machine.image)?.write(&release, &NoMonitor)?;
    let manifest = serde_json::json!({
        "format": 1, "version": "v1.2.0", "commit": "abc", "signedBy": null, "nixpkgs": "def",
        "images": [], "tests": [], "update": update,
    });
    fs::write(release.join("manifest.json"), manifest.to_string())?;
    let path = release.display().to_string();
    let send = || machine.bare(&["--image", &path, "--no-restart"]).output();
    let output = send()?;
    assert!(output.status.success(), "{output:?}");
    let examined = description(&fs::read(machine.file("examined"))?);
    assert_eq!(examined, serde_json::to_value(&update)?);
    // Damaged or missing, it is not sent.
    fs::remove_file(machine.file("log"))?;
    let store = release.join(&update.files[1].file);
    let mut bytes = fs::read(&store)?;
    bytes[5000] ^= 1;
    fs::write(&store, bytes)?;
    refused(
        &send()?,
        &[".store differs from manifest.json", "download it again"],
    )?;
    fs::remove_file(&store)?;
    refused(&send()?, &[".store is missing", "download it again"])?;
    assert_eq!(machine.call("--examine"), None);
    Ok(())
}

/// Whether a process was started with exactly these words.
fn is_running(words: &str) -> bool {
    let wanted = words.replace(' ', "\0") + "\0";
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .any(|line| line == wanted.as_bytes())
}

fn interrupt() -> Result<(), Failed> {
    const SLEEP: &str = "sleep 77.625";
    let machine = Machine::new();
    machine.set("hangs", "");
    let child = machine
        .command(&[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    while !is_running(SLEEP) {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "nothing is being sent"
        );
        thread::sleep(Duration::from_millis(20));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT)?;
    let words = ["interrupted: pc has not installed", "--state"];
    ended_with(130, &child.wait_with_output()?, &words)?;
    assert!(!is_running(SLEEP));
    Ok(())
}
