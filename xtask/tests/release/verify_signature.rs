//! Verifying a release's signature.

use std::fs;
use std::path::Path;
use std::process::Output;

use libtest_mimic::{Failed, Trial};

use crate::case::{Case, flip};
use crate::common::{path_with, refused, trial, xtask};
use crate::keys::{LONG_AGO, PROGRAMS};
use crate::sign::{SIGNATURE, Signing, succeeded};
use crate::verify::{breaks, holds, verify, verify_with};

const ASSET: &str = "ollamalive-v1.2.0.raw.zst";

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_good_signature_names_its_key", PROGRAMS, good),
        trial("a_changed_release_has_a_bad_signature", PROGRAMS, changed),
        trial(
            "a_signature_by_a_wrong_key_is_reported",
            PROGRAMS,
            wrong_keys,
        ),
        trial("a_missing_signature_is_reported", PROGRAMS, missing),
        trial("the_projects_key_is_used", PROGRAMS, project_key),
        trial("a_file_that_is_no_public_key_is_refused", PROGRAMS, no_key),
        trial("without_gpg_a_signature_is_not_checked", PROGRAMS, no_gpg),
    ]
}

/// `verify PATH --key KEY`.
fn with_key(path: &Path, key: &Path) -> std::io::Result<Output> {
    verify_with(path, &["--key", &key.display().to_string()])
}

fn good() -> Result<(), Failed> {
    let (signing, fingerprint) = Signing::made()?;
    let case = &signing.case;
    let public = signing.keys.public("release");
    let good = format!(
        "ok      {SIGNATURE}: signature good, by {} (release@example.org)\n",
        &fingerprint[24..]
    );
    for path in [case.out.clone(), case.file(ASSET)] {
        let said = holds(&with_key(&path, &public)?)?;
        assert!(said.contains(&good), "{said}");
        let said = holds(&verify(&path)?)?;
        assert!(
            said.contains("signed, but no public key to check it with"),
            "{said}"
        );
        assert!(!said.contains("not part of the release"), "{said}");
    }
    let alone = verify(&case.file(SIGNATURE))?;
    refused(
        &alone,
        &["is the signature of the checksums", "give its folder"],
    )
}

fn changed() -> Result<(), Failed> {
    let (signing, _) = Signing::made()?;
    let case = &signing.case;
    let public = signing.keys.public("release");
    // The notes, with sums that fit them.
    let notes = case.text("RELEASE_NOTES.md");
    let other = notes.replace("Start with", "End with");
    let sums = case.text("SHA256SUMS");
    let digest = |text: &str| stick::digest::sha256_hex(text.as_bytes());
    fs::write(case.file("RELEASE_NOTES.md"), &other)?;
    fs::write(
        case.file("SHA256SUMS"),
        sums.replace(&digest(&notes), &digest(&other)),
    )?;
    let words = [SIGNATURE, "is not a signature of these sums"];
    breaks(&with_key(&case.out, &public)?, 1, &words)?;
    breaks(&with_key(&case.file(ASSET), &public)?, 1, &words)?;
    fs::write(case.file("RELEASE_NOTES.md"), &notes)?;
    fs::write(case.file("SHA256SUMS"), &sums)?;
    holds(&with_key(&case.out, &public)?)?;
    let length = fs::metadata(case.file(SIGNATURE))?.len();
    flip(&case.file(SIGNATURE), length - 1);
    breaks(&with_key(&case.out, &public)?, 1, &words)?;
    for junk in ["", "<html>Not found</html>\n"] {
        fs::write(case.file(SIGNATURE), junk)?;
        let words = [SIGNATURE, "is not an OpenPGP signature"];
        breaks(&with_key(&case.out, &public)?, 1, &words)?;
    }
    Ok(())
}

fn wrong_keys() -> Result<(), Failed> {
    let (signing, fingerprint) = Signing::made()?;
    let (case, keys) = (&signing.case, &signing.keys);
    keys.make("other");
    breaks(
        &with_key(&case.out, &keys.public("other"))?,
        1,
        &[
            &format!(
                "is by the key {}, and not by the expected one",
                &fingerprint[24..]
            ),
            "other.public.asc",
        ],
    )?;
    // gpg itself ends well on the next two.
    keys.revoke(&fingerprint);
    breaks(
        &with_key(&case.out, &keys.public("release"))?,
        1,
        &["release@example.org", "a key that was revoked"],
    )?;
    keys.make_expired("old");
    let (sums, signature) = (case.file("SHA256SUMS"), case.file(SIGNATURE));
    keys.sign(&["--faked-system-time", LONG_AGO], "old", &sums, &signature);
    breaks(
        &with_key(&case.out, &keys.public("old"))?,
        1,
        &["old@example.org", "a key that has expired"],
    )
}

fn missing() -> Result<(), Failed> {
    let (signing, fingerprint) = Signing::made()?;
    let case = &signing.case;
    let public = signing.keys.public("release");
    fs::remove_file(case.file(SIGNATURE))?;
    let words = [SIGNATURE, "is missing", &fingerprint];
    breaks(&verify(&case.out)?, 1, &words)?;
    breaks(&with_key(&case.out, &public)?, 1, &words)?;
    // Of one file only what belongs to it has to be there.
    holds(&verify(&case.file(ASSET))?)?;
    breaks(
        &with_key(&case.file(ASSET), &public)?,
        1,
        &["is not signed"],
    )?;
    let unsigned = Case::new();
    unsigned.made()?;
    holds(&verify(&unsigned.out)?)?;
    breaks(
        &with_key(&unsigned.out, &public)?,
        1,
        &[SIGNATURE, "is missing: the release is not signed"],
    )
}

fn project_key() -> Result<(), Failed> {
    let (signing, _) = Signing::made()?;
    let (case, keys) = (&signing.case, &signing.keys);
    let own = case.project.join("release-key.asc");
    let out = case.out.display().to_string();
    let verify = || {
        let mut verify = xtask(Path::new("/nonexistent"), &["verify", &out]);
        verify.current_dir(&case.project).output()
    };
    fs::copy(keys.public("release"), &own)?;
    assert!(holds(&verify()?)?.contains("signature good, by"));
    keys.make("other");
    fs::copy(keys.public("other"), &own)?;
    breaks(
        &verify()?,
        1,
        &["not by the expected one", "release-key.asc"],
    )?;
    // Releases from before there was a key.
    fs::remove_file(case.file(SIGNATURE))?;
    fs::remove_file(&own)?;
    succeeded(&signing.command(&[]).output()?)?;
    fs::copy(keys.public("other"), &own)?;
    assert!(holds(&verify()?)?.contains("not signed: there is no"));
    Ok(())
}

fn no_key() -> Result<(), Failed> {
    let (signing, _) = Signing::made()?;
    let (case, keys) = (&signing.case, &signing.keys);
    let junk = keys.home().join("junk.asc");
    fs::write(&junk, "junk")?;
    for (key, words) in [
        (Path::new("/no/such.asc"), "there is no file /no/such.asc"),
        (&junk, "junk.asc is not a public key"),
        (keys.home(), "is not a public key"),
        (
            &keys.secret("release"),
            "release.secret.asc is a secret key",
        ),
    ] {
        refused(&with_key(&case.out, key)?, &[words])?;
    }
    fs::remove_file(case.file(SIGNATURE))?;
    refused(&with_key(&case.out, &junk)?, &["is not a public key"])
}

fn no_gpg() -> Result<(), Failed> {
    let (signing, _) = Signing::made()?;
    let case = &signing.case;
    let path = path_with(case.folder.path(), &["gpg"], &[]);
    let out = case.out.display().to_string();
    let verify = |more: &[&str]| {
        let mut verify = xtask(Path::new("/nonexistent"), &["verify", &out]);
        verify.args(more).env("PATH", &path);
        verify.current_dir(&case.project).output()
    };
    let public = signing.keys.public("release");
    let asked = verify(&["--key", &public.display().to_string()])?;
    refused(&asked, &["there is no gpg on the PATH", "install"])?;
    fs::copy(&public, case.project.join("release-key.asc"))?;
    let said = holds(&verify(&[])?)?;
    assert!(
        said.contains("skipped: SHA256SUMS.gpg (signed, but there is no gpg"),
        "{said}"
    );
    // No key, no need for gpg.
    fs::remove_file(case.project.join("release-key.asc"))?;
    assert!(holds(&verify(&[])?)?.contains("no public key to check it with"));
    Ok(())
}
