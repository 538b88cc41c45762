//! Whose signature a machine takes.

use std::fs;
use std::process::Command;

use libtest_mimic::Failed;
use tempfile::TempDir;

use crate::keys::{Keys, LONG_AGO};
use crate::{common, function, module, mutant};

/// Whether update.sh takes the signature in the folder `work`, with the key in its file `key`.
fn taken(script: &str, work: &TempDir) -> Result<bool, Failed> {
    let run = format!("work=$PWD key=$PWD/key; {script}\nis_signed");
    let gpg = work.path().join("gpg");
    if gpg.exists() {
        fs::remove_dir_all(&gpg)?;
    }
    let output = Command::new("bash")
        .args(["-c", &run])
        .current_dir(work.path())
        .output()?;
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    Ok(output.status.success())
}

/// A release whose list is signed by `name`; the machine knows `known`, in the form that update.nix makes.
fn release(keys: &Keys, known: &str, name: &str, options: &[&str]) -> Result<TempDir, Failed> {
    let work = tempfile::tempdir()?;
    let list = work.path().join("SHA256SUMS");
    fs::write(&list, "5  manifest.json\n")?;
    keys.sign(options, name, &list, &work.path().join("SHA256SUMS.gpg"));
    know(keys, known, &work);
    Ok(work)
}

fn know(keys: &Keys, name: &str, work: &TempDir) {
    let public = keys.public(name).display().to_string();
    let key = work.path().join("key").display().to_string();
    keys.gpg(&["--output", &key, "--dearmor", &public]);
}

pub fn cases() -> Result<(), Failed> {
    let script = function(&module("update.sh"), "is_signed");
    let keys = Keys::new();
    let secret = common::root().join("tests/keys/updates.secret.asc");
    keys.gpg(&["--import", &secret.display().to_string()]);
    keys.make("stranger");
    keys.make_expired("expired");
    let fingerprint = keys.make("revoked");
    let then: &[&str] = &["--faked-system-time", LONG_AGO];

    let good = release(&keys, "tests", "tests", &[])?;
    assert!(taken(&script, &good)?, "the key's own");
    let text = release(&keys, "tests", "tests", &["--armor"])?;
    assert!(taken(&script, &text)?, "as text");

    let stranger = release(&keys, "tests", "stranger", &[])?;
    assert!(!taken(&script, &stranger)?, "a stranger's");
    let expired = release(&keys, "expired", "expired", then)?;
    assert!(!taken(&script, &expired)?, "an expired key's");
    let revoked = release(&keys, "revoked", "revoked", &[])?;
    assert!(taken(&script, &revoked)?, "before it is revoked");
    keys.revoke(&fingerprint);
    know(&keys, "revoked", &revoked);
    assert!(!taken(&script, &revoked)?, "a revoked key's");

    let other = release(&keys, "tests", "tests", &[])?;
    fs::write(other.path().join("SHA256SUMS"), "6  manifest.json\n")?;
    assert!(!taken(&script, &other)?, "of another list");
    let none = release(&keys, "tests", "tests", &[])?;
    fs::write(none.path().join("SHA256SUMS.gpg"), "")?;
    assert!(!taken(&script, &none)?, "none");
    fs::write(none.path().join("SHA256SUMS.gpg"), "<html>\n")?;
    assert!(!taken(&script, &none)?, "a page");

    // A text that the owner signed elsewhere is no signature of this list.
    let letter = release(&keys, "tests", "tests", &[])?;
    let place = |name: &str| letter.path().join(name).display().to_string();
    fs::write(letter.path().join("letter"), "Hello\n")?;
    let owner = ["--local-user", "tests@example.org", "--output"];
    let sign = [&place("SHA256SUMS.gpg"), "--sign", &place("letter")];
    keys.gpg(&[&owner[..], &sign[..]].concat());
    assert!(!taken(&script, &letter)?, "a signed letter");

    let both = release(&keys, "tests", "tests", &[])?;
    let file = both.path().join("SHA256SUMS.gpg");
    let strangers = fs::read(stranger.path().join("SHA256SUMS.gpg"))?;
    fs::write(&file, [fs::read(&file)?, strangers].concat())?;
    assert!(!taken(&script, &both)?, "ours, and a stranger's");

    let mutants = [
        (("GOODSIG", "[A-Z]*"), &expired),
        (("GOODSIG", "[A-Z]*"), &revoked),
        ((") || return 1", ")"), &both),
        (("--keyring \"$key\" ", ""), &good),
    ];
    for (edit, case) in mutants {
        let right = case.path() == good.path();
        assert_ne!(taken(&mutant(&script, edit)?, case)?, right, "{edit:?}");
    }
    Ok(())
}
