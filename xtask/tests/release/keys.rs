//! OpenPGP keys for the tests, in a keyring of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// What the tests of signatures need on the host.
pub const PROGRAMS: &[&str] = &["git", "gpg", "gpg-agent", "gpgconf"];
/// The passphrase of locked keys.
pub const PASSPHRASE: &str = "a secret";
/// A day on which an expired key was still good, in gpg's form.
pub const LONG_AGO: &str = "20200101T120000";

/// A keyring. Its agent ends with it.
pub struct Keys {
    home: TempDir,
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.lock();
    }
}

impl Keys {
    pub fn new() -> Self {
        let home = tempfile::Builder::new().prefix("keys-").tempdir().unwrap();
        Keys { home }
    }

    /// For `GNUPGHOME`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Ends the agent, which knows the passphrases that were given.
    pub fn lock(&self) {
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home())
            .args(["--kill", "all"])
            .output();
    }

    /// gpg with this keyring. It has to end well.
    pub fn gpg(&self, arguments: &[&str]) -> Output {
        let output = Command::new("gpg")
            .args(["--batch", "--quiet", "--yes", "--homedir"])
            .arg(self.home())
            .args(["--pinentry-mode", "loopback", "--passphrase"])
            .arg(if arguments.contains(&"locked@example.org") {
                PASSPHRASE
            } else {
                ""
            })
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output
    }

    /// Makes a key for `NAME@example.org`, and returns its fingerprint. The key `locked` has a passphrase.
    pub fn make(&self, name: &str) -> String {
        let owner = format!("{name}@example.org");
        self.gpg(&["--quick-generate-key", &owner, "ed25519", "sign", "never"]);
        self.fingerprint(&owner)
    }

    /// Makes a key that has expired.
    pub fn make_expired(&self, name: &str) -> String {
        let owner = format!("{name}@example.org");
        let then = ["--faked-system-time", LONG_AGO];
        let make = ["--quick-generate-key", &owner, "ed25519", "sign", "2d"];
        self.gpg(&[&then[..], &make[..]].concat());
        self.fingerprint(&owner)
    }

    fn fingerprint(&self, owner: &str) -> String {
        let listed = self.gpg(&["--with-colons", "--list-keys", owner]).stdout;
        let listed = String::from_utf8(listed).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:"));
        line.unwrap().split(':').nth(9).unwrap().to_string()
    }

    /// The secret key of `name`, exported.
    pub fn secret(&self, name: &str) -> PathBuf {
        self.export("--export-secret-keys", name, "secret.asc")
    }

    /// The public key of `name`, exported as text.
    pub fn public(&self, name: &str) -> PathBuf {
        self.export("--export", name, "public.asc")
    }

    fn export(&self, export: &str, name: &str, suffix: &str) -> PathBuf {
        let file = self.home().join(format!("{name}.{suffix}"));
        let path = file.display().to_string();
        let owner = format!("{name}@example.org");
        self.gpg(&["--armor", "--output", &path, export, &owner]);
        file
    }

    /// Makes `signature` for `file`, with the key of `name` and with `options` before it.
    pub fn sign(&self, options: &[&str], name: &str, file: &Path, signature: &Path) {
        let (file, signature) = (file.display().to_string(), signature.display().to_string());
        let owner = format!("{name}@example.org");
        let sign = [
            "--local-user",
            &owner,
            "--output",
            &signature,
            "--detach-sign",
            &file,
        ];
        self.gpg(&[options, &sign[..]].concat());
    }

    /// Revokes the key with this fingerprint.
    pub fn revoke(&self, fingerprint: &str) {
        let made = self
            .home()
            .join(format!("openpgp-revocs.d/{fingerprint}.rev"));
        // gpg puts a colon before the first line, so that nobody imports it by mistake.
        let text = fs::read_to_string(&made).unwrap();
        fs::write(&made, text.replace(":-----BEGIN", "-----BEGIN")).unwrap();
        self.gpg(&["--import", &made.display().to_string()]);
    }
}
