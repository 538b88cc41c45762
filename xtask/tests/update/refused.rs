//! Refusals, on one line; nothing is sent.

use std::fs;

use libtest_mimic::{Failed, Trial};

use crate::common::{path_with, refused, trial};
use crate::machine::{Machine, NEW, OLD, image_of, runs};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_machine_that_is_not_ours_is_refused", &[], not_ours),
        trial("an_older_ollamalive_is_refused", &[], too_old),
        trial("without_ssh_nothing_is_sent", &[], no_ssh),
        trial("another_configuration_needs_consent", &[], configuration),
        trial("the_owner_is_asked_on_a_terminal", &[], asked),
        trial("the_machines_refusal_is_shown", &[], refusal),
        trial("a_version_that_runs_is_not_sent", &[], runs_already),
        trial("anything_but_an_update_is_refused", &[], no_update),
        trial("without_nix_an_image_has_to_be_given", &[], no_nix),
    ]
}

/// Refused with `words`, and without a byte of the update sent.
fn not_sent(machine: &Machine, more: &[&str], words: &[&str]) -> Result<(), Failed> {
    refused(&machine.update(more), words)?;
    assert_eq!(machine.call("--pushed"), None);
    Ok(())
}

fn not_ours() -> Result<(), Failed> {
    let machine = Machine::new();
    machine.set("state.code", "127");
    machine.set("state.err", "bash: line 1: sudo: command not found\n");
    not_sent(
        &machine,
        &[],
        &["pc is not an OllamaLive machine", "command not found"],
    )?;
    machine.set("state.code", "0");
    machine.set("state.err", "");
    machine.set("state.out", "Welcome!\n");
    not_sent(
        &machine,
        &[],
        &["does not answer as an OllamaLive machine", "Welcome!"],
    )
}

fn too_old() -> Result<(), Failed> {
    let machine = Machine::new();
    machine.set("state.code", "2");
    machine.set("state.err", "usage: ollamalive status [--json]\n");
    not_sent(
        &machine,
        &[],
        &["the OllamaLive on pc is too old", "flash its stick once"],
    )
}

fn no_ssh() -> Result<(), Failed> {
    let machine = Machine::new();
    machine.states(&["down".into()]);
    not_sent(
        &machine,
        &[],
        &[
            "cannot log in to pc over SSH",
            "Connection refused",
            "`ssh pc`",
        ],
    )?;
    machine.set("examine.code", "255");
    machine.set("examine.err", "Connection reset by peer\n");
    machine.states(&[runs(OLD, false)]);
    not_sent(&machine, &[], &["cannot log in to pc", "reset by peer"])?;
    let hidden = tempfile::tempdir()?;
    let path = path_with(hidden.path(), &["ssh"], &[]);
    let output = machine.command(&[]).env("PATH", path).output()?;
    refused(&output, &["no ssh on the PATH", "openssh-client"])
}

fn configuration() -> Result<(), Failed> {
    let machine = Machine::new();
    machine.set("examine.code", "4");
    let differs = "- the user changes from bob to alice.\n";
    machine.set("examine.out", differs);
    not_sent(
        &machine,
        &[],
        &["another configuration", "no terminal", "--yes"],
    )?;
    let output = machine.update(&["--yes", "--no-restart"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(differs));
    let call = machine.call("--pushed").unwrap();
    assert!(call.ends_with("--pushed --yes"), "{call}");
    // Consent is given only where it was asked for.
    let machine = Machine::new();
    assert!(machine.update(&["--yes", "--no-restart"]).status.success());
    assert!(machine.call("--pushed").unwrap().ends_with("--pushed"));
    Ok(())
}

fn asked() -> Result<(), Failed> {
    let machine = Machine::new();
    machine.set("examine.code", "4");
    machine.set("examine.out", "- the user changes from bob to alice.\n");
    let ask = || {
        let command = machine.command(&["--no-restart"]);
        rexpect::session::spawn_command(command, Some(60_000))
    };
    for (answer, words) in [
        ("", "nothing was changed: the answer was not `y`"),
        ("\u{3}", "interrupted: nothing was changed"),
        ("y", "is installed on pc"),
    ] {
        assert_eq!(machine.call("--pushed"), None);
        let mut session = ask()?;
        session.exp_string("from bob to alice")?;
        session.exp_string("Install it? [y/N]")?;
        match answer {
            "\u{3}" => session.send_control('c')?,
            answer => session.send_line(answer).map(drop)?,
        }
        session.exp_string(words)?;
        session.exp_eof()?;
    }
    assert!(
        machine
            .call("--pushed")
            .unwrap()
            .ends_with("--pushed --yes")
    );
    Ok(())
}

fn refusal() -> Result<(), Failed> {
    let machine = Machine::new();
    machine.set("examine.code", "1");
    machine.set(
        "examine.err",
        "Version 1 is older than 2, which is running.\n",
    );
    not_sent(
        &machine,
        &[],
        &["pc refuses the update: Version 1 is older"],
    )?;
    machine.set("examine.code", "0");
    machine.set("examine.err", "");
    machine.set("pushed.code", "1");
    machine.set(
        "pushed.err",
        "log\nThe stick is write-protected. Nothing was installed.\n",
    );
    refused(
        &machine.update(&[]),
        &["pc refuses the update: The stick is write-protected"],
    )
}

fn runs_already() -> Result<(), Failed> {
    let machine = Machine::new();
    machine.states(&[runs(NEW, false)]);
    let output = machine.update(&[]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains(&format!("pc already runs version {NEW}")),
        "{said}"
    );
    assert_eq!(machine.call("--pushed"), None);
    Ok(())
}

fn no_update() -> Result<(), Failed> {
    let machine = Machine::new();
    let folder = machine.folder.path();
    let refuses = |path: &std::path::Path, words: &[&str]| {
        let path = path.display().to_string();
        refused(&machine.bare(&["--image", &path]).output()?, words)
    };
    let older = folder.join("older.raw");
    image_of(1, &older);
    refuses(&older, &["older.raw is an image of layout 1", "flash it"])?;
    refuses(
        &folder.join("nowhere"),
        &["there is no", "nowhere", "a raw image"],
    )?;
    let empty = folder.join("empty");
    fs::create_dir(&empty)?;
    refuses(
        &empty,
        &["empty has neither a manifest.json nor a .raw image"],
    )?;
    let manifest = r#"{ "format": 1, "version": "v1", "commit": "abc", "nixpkgs": "def", "images": [], "tests": [] }"#;
    fs::write(empty.join("manifest.json"), manifest)?;
    refuses(&empty, &["the release v1", "no update files"])?;
    let text = folder.join("text");
    fs::write(&text, "not an image")?;
    refuses(&text, &["text has no partition table"])?;
    // All of that before the machine was asked.
    assert_eq!(machine.call("pc"), None);
    Ok(())
}

fn no_nix() -> Result<(), Failed> {
    let machine = Machine::new();
    let output = machine.bare(&[]).output()?;
    refused(
        &output,
        &["no nix on the PATH to build the image", "--image PATH"],
    )
}
