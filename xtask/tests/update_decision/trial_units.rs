//! What the units of trial.sh do after a verdict, with the ESP and PERSIST in a folder.

use libtest_mimic::Failed;

use crate::trial::run;
use crate::{module, mutant};

/// trial.sh with folders that need no root.
const HERE: &str = r"
run=$PWD/run boot=$PWD/boot undone=$PWD/undone
mkdir -p run boot/EFI/Linux undone
mount_boot() { echo mounted >> mounts; }
umount() { :; }
runs() { echo 20261101000000; }
bless=true
";

fn ran(script: &str, command: &str) -> Result<(String, bool), Failed> {
    run(script, &format!("{HERE}{command}"), &[])
}

/// The names of the UKIs in a slot, and the versions that were undone.
const NAMES: &[(&[&str], &str)] = &[
    (&[], ""),
    (&["ollamalive_20261101000000.efi"], ""),
    (&["ollamalive_20261128051225+0.efi"], "20261128051225\n"),
    (&["ollamalive_20261128051225+0-3.efi"], "20261128051225\n"),
    (&["ollamalive_20261128051225+1-2.efi"], ""),
    (&["ollamalive_20261128051225+3-0.efi"], ""),
    (&["ollamalive_20261128051225+10-0.efi"], ""),
    (&["ollamalive_20261128051225+0-.efi"], ""),
    (&["ollamalive_20261128051225.efi"], ""),
    (&["ollamalive_202611280512250+0-3.efi"], ""),
    (
        &[
            "x+0.efi",
            "ollamalive_2026+0-3.efi",
            "ollamalive_20261128051225+0-3.efi.tmp",
        ],
        "",
    ),
    // The one that runs is on its last try; an older one is not missed.
    (
        &[
            "ollamalive_20261101000000+0-3.efi",
            "ollamalive_20261001000000+0-3.efi",
        ],
        "",
    ),
    (
        &[
            "ollamalive_20261128051225+0-3.efi",
            "ollamalive_20261129000000+0-3.efi",
        ],
        "20261129000000\n20261128051225\n",
    ),
];

fn names_are_read(script: &str) -> Result<bool, Failed> {
    for (names, versions) in NAMES {
        let command = r#"printf '%s\n' "$@" | without_tries 20261101000000"#;
        let answer = run(script, command, names)?;
        if answer != (versions.to_string(), true) {
            return Ok(false);
        }
    }
    Ok(true)
}

pub fn named() -> Result<(), Failed> {
    let script = module("trial.sh");
    assert!(names_are_read(&script)?);
    for edit in [
        (r"+0\(-", r"+[0-9]\(-"),
        (r"\(-[0-9]\{1,\}\)\{0,1\}\.efi$", r"\.efi$"),
        (r"\(-[0-9]\{1,\}\)\{0,1\}\.efi$", r".*\.efi$"),
        (r"\{0,1\}\.efi$/", r"\{0,1\}\.efi/"),
        (
            r#"if [ "$version" -gt "$1" ]; then echo "$version"; fi"#,
            r#"echo "$version""#,
        ),
        (" -gt \"$1\"", " -ge \"$1\""),
        (r"\([0-9]\{14\}\)+0", r"\([0-9]*\)+0"),
    ] {
        assert!(!names_are_read(&mutant(&script, edit)?)?, "{edit:?}");
    }

    let of = |prepare: &str| {
        ran(
            &script,
            &format!(
                "{prepare}\nname_undone; cat run/notices/update run/undone/* 2>/dev/null || true; ls run"
            ),
        )
    };
    let slot = "touch boot/EFI/Linux/ollamalive_20261128051225+0-3.efi";
    let says = |why: &str| {
        format!(
            "The update to version 20261128051225 was undone: {why}. Newer versions are still accepted.\n{why}\nnotices\nundone\n"
        )
    };
    assert_eq!(of("")?, ("notices\nundone\n".to_string(), true));
    assert_eq!(of(slot)?, (says("it did not start"), true));
    let empty = format!("{slot}; touch undone/20261128051225");
    assert_eq!(of(&empty)?, (says("it did not start"), true));
    let why = format!("{slot}; echo 'SSH does not answer' > undone/20261128051225");
    assert_eq!(of(&why)?, (says("SSH does not answer"), true));
    let trial = ("notices\ntrial\nundone\n".to_string(), true);
    assert_eq!(of("touch variable")?, trial);
    Ok(())
}

/// A version that is not healthy leaves the reason and fails its unit, which restarts the PC.
pub fn ended() -> Result<(), Failed> {
    let script = module("trial.sh");
    let judge = |verdict: &str| {
        ran(
            &script,
            &format!(
                "sleep() {{ SECONDS=901; }}; ssh-keyscan() {{ :; }}; sync() {{ :; }}; journalctl() {{ :; }}\n\
                 verdict() {{ {verdict}; }}\n\
                 trap 'ls run; cat undone/* || true' EXIT; exec 2>/dev/null; judge"
            ),
        )
    };
    let well = (
        "Version 20261101000000 is healthy.\ntrial\n".to_string(),
        true,
    );
    assert_eq!(judge(":")?, well);
    // A version that has to wait at first may be healthy later.
    let later = judge("[ -e seen ] || { touch seen; echo 'wait: not yet'; }")?;
    assert_eq!(later, well);
    for (verdict, why) in [
        (
            "echo 'SSH shows another host key'",
            "SSH shows another host key",
        ),
        ("echo 'wait: SSH does not answer'", "SSH does not answer"),
        ("echo 'wait: Docker does not run.'", "Docker does not run"),
    ] {
        let undone = format!("Version 20261101000000 is not healthy: {why}.\ntrial\n{why}\n");
        assert_eq!(judge(verdict)?, (undone, false));
    }
    Ok(())
}

/// A boot that could not be blessed stays on trial.
pub fn blessed() -> Result<(), Failed> {
    let script = module("trial.sh");
    let bless = |prepare: &str| {
        // systemd-bless-boot.service runs it without `set -e`.
        let prepare = format!("set +e; : > run/trial; : > undone/20261101000000; {prepare}");
        ran(
            &script,
            &format!("{prepare}\nif bless_boot; then echo good; fi; ls run undone"),
        )
    };
    assert_eq!(bless("")?.0, "good\nrun:\n\nundone:\n");
    let kept = "run:\ntrial\n\nundone:\n20261101000000\n";
    assert_eq!(bless("bless=false")?.0, kept);
    for (problem, said) in [(1, "is in use"), (2, "cannot be mounted")] {
        let said = format!("{kept}The stick's first partition (ESP) {said}.\n");
        assert_eq!(
            bless(&format!("mount_boot() {{ return {problem}; }}"))?.0,
            said
        );
    }
    Ok(())
}
