//! Signing a release.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::case::{BYTES, Case, names, noise};
use crate::common::{ended_with, path_with, refused, trial};
use crate::keys::{Keys, PASSPHRASE, PROGRAMS};

pub const SIGNATURE: &str = "SHA256SUMS.gpg";

pub fn trials() -> Vec<Trial> {
    vec![
        trial("systemd_accepts_the_signature", PROGRAMS, accepted),
        trial("a_key_of_the_keyring_signs", PROGRAMS, keyring),
        trial("a_key_in_the_environment_signs", PROGRAMS, variable),
        trial("a_key_that_cannot_sign_is_refused", PROGRAMS, bad_keys),
        trial(
            "a_locked_key_signs_if_the_agent_has_its_passphrase",
            PROGRAMS,
            unlocked,
        ),
        trial("a_passphrase_is_asked_for", PROGRAMS, asked),
        trial("without_gpg_signing_is_refused", &["git"], no_gpg),
        trial("a_signature_is_made_once", PROGRAMS, again),
        trial("a_release_of_another_key_is_refused", PROGRAMS, project_key),
        trial("an_interrupt_leaves_no_key", PROGRAMS, interrupt),
    ]
}

/// A release with a keyring and an empty folder for temporary files.
pub struct Signing {
    pub case: Case,
    pub keys: Keys,
    temporary: PathBuf,
}

impl Signing {
    pub fn new() -> Self {
        let case = Case::new();
        let temporary = case.folder.path().join("tmp");
        fs::create_dir(&temporary).unwrap();
        Signing {
            case,
            keys: Keys::new(),
            temporary,
        }
    }

    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = self.case.release(&["--version", "1.2.0"]);
        command.args(more);
        self.with_keys(command)
    }

    fn with_keys(&self, mut command: Command) -> Command {
        command
            .env("GNUPGHOME", self.keys.home())
            .env("TMPDIR", &self.temporary)
            .env_remove("OLLAMALIVE_SIGNING_KEY")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
        command
    }

    /// `release --sign WITH`.
    pub fn sign(&self, with: &Path) -> std::io::Result<Output> {
        self.command(&["--sign", &with.display().to_string()])
            .output()
    }

    /// The release, signed by a new key.
    pub fn made() -> Result<(Self, String), Failed> {
        let signing = Signing::new();
        let fingerprint = signing.keys.make("release");
        succeeded(&signing.sign(&signing.keys.secret("release"))?)?;
        Ok((signing, fingerprint))
    }

    /// Fails if a temporary file is left, or the agent of a temporary keyring does not end.
    fn swept(&self) -> Result<(), Failed> {
        let left = names(&self.temporary);
        if !left.is_empty() {
            return Err(format!("left: {left:?}").into());
        }
        // It says goodbye first.
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if agents(&self.temporary).is_empty() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("agents: {:?}", agents(&self.temporary)).into())
    }
}

/// The command lines of programs that work in `folder`.
fn agents(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.starts_with("gpg-agent") && line.contains(&folder))
        .collect()
}

pub fn succeeded(output: &Output) -> Result<String, Failed> {
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{output:?}").into()),
    }
}

fn accepted() -> Result<(), Failed> {
    let (signing, fingerprint) = Signing::made()?;
    let case = &signing.case;
    signing.swept()?;
    assert_eq!(case.manifest()["signedBy"], fingerprint);
    let notes = case.text("RELEASE_NOTES.md");
    for words in [&fingerprint, "gpg --verify SHA256SUMS.gpg SHA256SUMS"] {
        assert!(notes.contains(words), "{words} is not in:\n{notes}");
    }
    // As systemd calls it (src/import/pull-common.c): a binary keyring, the sums on standard input.
    let keyring = signing.keys.home().join("import-pubring.pgp");
    let (path, home) = (keyring.display(), tempfile::tempdir()?);
    signing
        .keys
        .gpg(&["--output", &path.to_string(), "--export"]);
    let systemd = |sums: &str| {
        Command::new("gpg")
            .args(["--no-options", "--no-default-keyring"])
            .args(["--no-auto-key-locate", "--no-auto-check-trustdb"])
            .args(["--batch", "--trust-model=always"])
            .arg(format!("--homedir={}", home.path().display()))
            .arg(format!("--keyring={path}"))
            .arg("--verify")
            .arg(case.file(SIGNATURE))
            .arg("-")
            .stdin(fs::File::open(case.file(sums)).unwrap())
            .output()
    };
    succeeded(&systemd("SHA256SUMS")?)?;
    assert_eq!(systemd("manifest.json")?.status.code(), Some(1));
    Ok(())
}

fn keyring() -> Result<(), Failed> {
    let signing = Signing::new();
    let fingerprint = signing.keys.make("release");
    signing.keys.make("other");
    fs::write(signing.keys.home().join("gpg.conf"), "armor\ntextmode\n")?;
    for name in [&fingerprint, &fingerprint[24..], "release@example.org"] {
        let said = succeeded(&signing.sign(Path::new(name))?)?;
        assert!(
            said.contains(&format!("signed with the key {fingerprint}")),
            "{said}"
        );
    }
    let first = fs::read(signing.case.file(SIGNATURE))?[0];
    assert_eq!(first & 0x80, 0x80, "a packet, not text");
    signing.swept()
}

fn variable() -> Result<(), Failed> {
    let signing = Signing::new();
    let fingerprint = signing.keys.make("release");
    let run = |text: &str| {
        let mut command = signing.command(&[]);
        command.env("OLLAMALIVE_SIGNING_KEY", text).output()
    };
    let said = run("a secret that is no key")?;
    refused(&said, &["$OLLAMALIVE_SIGNING_KEY is not a secret key"])?;
    assert!(!format!("{said:?}").contains("a secret that"), "{said:?}");
    signing.case.untouched()?;
    let said = succeeded(&run(" ")?)?;
    assert!(said.contains("not signed: --sign KEYID|FILE"), "{said}");
    assert_eq!(signing.case.manifest()["signedBy"], serde_json::Value::Null);
    assert!(!signing.case.file(SIGNATURE).exists());
    succeeded(&run(&fs::read_to_string(signing.keys.secret("release"))?)?)?;
    assert_eq!(signing.case.manifest()["signedBy"], fingerprint);
    signing.swept()
}

fn bad_keys() -> Result<(), Failed> {
    let signing = Signing::new();
    let keys = &signing.keys;
    for name in ["release", "locked"] {
        keys.make(name);
    }
    keys.make_expired("old");
    let revoked = keys.make("revoked");
    keys.revoke(&revoked);
    let junk = keys.home().join("junk.asc");
    fs::write(&junk, "junk")?;
    let two = keys.home().join("two.asc");
    let both = [keys.secret("release"), keys.secret("old")].map(|key| fs::read(key).unwrap());
    fs::write(&two, both.concat())?;
    for (with, words) in [
        (
            "nobody@example.org".into(),
            &[
                "--sign nobody@example.org",
                "gpg's keyring holds no secret key of this name",
            ][..],
        ),
        ("example.org".into(), &["gpg's keyring holds 4 secret keys"]),
        (
            "/no/such.asc".into(),
            &["--sign /no/such.asc", "no such file"],
        ),
        (
            junk,
            &["junk.asc is not a secret key", "--export-secret-keys"],
        ),
        (keys.home().into(), &["is not a secret key"]),
        (
            keys.public("release"),
            &["release.public.asc is a public key"],
        ),
        (two, &["it holds 2 secret keys"]),
        (
            keys.secret("old"),
            &["old@example.org", "has expired", "--quick-set-expire"],
        ),
        (
            keys.secret("revoked"),
            &["revoked@example.org", "was revoked"],
        ),
        (
            keys.secret("locked"),
            &["locked@example.org", "has a passphrase", "no terminal"],
        ),
    ] {
        refused(&signing.sign(&with)?, words)?;
        signing.case.untouched()?;
        signing.swept()?;
    }
    Ok(())
}

fn unlocked() -> Result<(), Failed> {
    let signing = Signing::new();
    signing.keys.make("locked");
    let locked = Path::new("locked@example.org");
    signing.keys.lock();
    refused(&signing.sign(locked)?, &["has a passphrase", "no terminal"])?;
    signing.case.untouched()?;
    // The agent remembers the passphrase.
    let any = signing.case.image.clone();
    let made = signing.keys.home().join("any.sig");
    signing
        .keys
        .sign(&["--passphrase", PASSPHRASE], "locked", &any, &made);
    succeeded(&signing.sign(locked)?)?;
    signing.swept()
}

/// Answers as a pinentry does (Assuan); `HOME` is the keyring's folder.
const PINENTRY: &str = r#"#!/bin/sh
echo "OK ready"
while read -r command rest; do
  case $command in
    GETPIN)
      test ! -e HOME/waits || { : > HOME/asked; exec sleep 60; }
      echo "D $(cat HOME/answer)"; echo OK ;;
    BYE) echo OK; exit ;;
    *) echo OK ;;
  esac
done
"#;

fn asked() -> Result<(), Failed> {
    let signing = Signing::new();
    let home = signing.keys.home();
    signing.keys.make("locked");
    signing.keys.lock();
    let pinentry = home.join("pinentry");
    fs::write(
        &pinentry,
        PINENTRY.replace("HOME", &home.display().to_string()),
    )?;
    fs::set_permissions(&pinentry, fs::Permissions::from_mode(0o755))?;
    let configuration = format!("pinentry-program {}\n", pinentry.display());
    fs::write(home.join("gpg-agent.conf"), configuration)?;
    let command = || {
        let mut command = signing.command(&["--sign", "locked@example.org"]);
        command.env("DISPLAY", ":9");
        command
    };
    fs::write(home.join("answer"), "something else")?;
    refused(
        &command().output()?,
        &["locked@example.org", "the passphrase is wrong"],
    )?;
    fs::write(home.join("waits"), "")?;
    let child = command()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    while !home.join("asked").exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "nobody is asked");
        thread::sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT)?;
    ended_with(130, &child.wait_with_output()?, &["interrupted"])?;
    signing.case.untouched()?;
    signing.keys.lock();
    fs::remove_file(home.join("waits"))?;
    fs::write(home.join("answer"), PASSPHRASE)?;
    succeeded(&command().output()?)?;
    signing.swept()
}

fn no_gpg() -> Result<(), Failed> {
    let case = Case::new();
    let path = path_with(case.folder.path(), &["gpg"], &[]);
    let output = case
        .release(&["--version", "1.2.0", "--sign", "release@example.org"])
        .env("PATH", path)
        .output()?;
    refused(&output, &["missing packages: gpg"])?;
    case.untouched()
}

fn again() -> Result<(), Failed> {
    let (signing, fingerprint) = Signing::made()?;
    let case = &signing.case;
    let (secret, without) = (signing.keys.secret("release"), || {
        signing.command(&[]).output()
    });
    let signature = || fs::read(case.file(SIGNATURE)).unwrap();
    let first = signature();
    // A second would show in the signature.
    thread::sleep(Duration::from_millis(1100));
    succeeded(&signing.sign(&secret)?)?;
    assert_eq!(signature(), first);
    succeeded(&without()?)?;
    assert_eq!(signature(), first);
    assert_eq!(case.manifest()["signedBy"], fingerprint);
    // Another key.
    let other = signing.keys.make("other");
    succeeded(&signing.sign(&signing.keys.secret("other"))?)?;
    assert_eq!(case.manifest()["signedBy"], other);
    assert_ne!(signature(), first);
    // Another image.
    case.change_image();
    refused(
        &without()?,
        &[
            SIGNATURE,
            "not a signature of this release",
            "--sign",
            "remove it",
        ],
    )?;
    assert!(!case.file("SHA256SUMS").exists());
    succeeded(&signing.sign(&secret)?)?;
    assert_eq!(case.manifest()["signedBy"], fingerprint);
    // A signature that was not made here, before any work.
    fs::write(case.file(SIGNATURE), "")?;
    refused(&without()?, &[SIGNATURE, "not a signature of this release"])?;
    assert!(case.file("SHA256SUMS").exists());
    fs::remove_file(case.file(SIGNATURE))?;
    succeeded(&without()?)?;
    assert_eq!(case.manifest()["signedBy"], serde_json::Value::Null);
    Ok(())
}

fn project_key() -> Result<(), Failed> {
    let signing = Signing::new();
    let (case, keys) = (&signing.case, &signing.keys);
    for name in ["release", "other"] {
        keys.make(name);
    }
    fs::copy(keys.public("release"), case.project.join("release-key.asc"))?;
    case.git(&["add", "release-key.asc"]);
    case.commit("Add the key");
    case.tested();
    refused(
        &signing.sign(&keys.secret("other"))?,
        &[
            "(other@example.org) is not the one in release-key.asc",
            "docs/maintainer.md",
        ],
    )?;
    case.untouched()?;
    succeeded(&signing.sign(&keys.secret("release"))?)?;
    signing.swept()
}

fn interrupt() -> Result<(), Failed> {
    let signing = Signing::new();
    signing.keys.make("release");
    let secret = signing.keys.secret("release").display().to_string();
    // Enough that packing still runs when the interrupt arrives.
    noise(&signing.case.image, BYTES, 64 << 20);
    let image = format!("raw={}", signing.case.image.display());
    let release = signing
        .case
        .bare(&["--image", &image, "--level", "19", "--sign", &secret]);
    let child = signing
        .with_keys(release)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    while agents(&signing.temporary).is_empty() || !signing.case.out.exists() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "nothing is signed"
        );
        thread::sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT)?;
    ended_with(130, &child.wait_with_output()?, &["interrupted"])?;
    signing.swept()
}
