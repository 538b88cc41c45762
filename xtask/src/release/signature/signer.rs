//! Signing.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use stick::sums::SUMS;
use tempfile::TempDir;

use super::gpg::{self, Gpg, Step, last_line};
use super::keys::{self, ListedKey};
use super::public_key::PublicKey;
use super::status::refusal;
use super::{KEY_VARIABLE, NEEDS, PUBLIC_KEY, SIGNATURE};
use crate::error::usage;
use crate::packages;

/// Long enough to type a passphrase.
const SIGN: Step = Step {
    what: "signing with gpg, which may ask for a passphrase",
    deadline: Duration::from_secs(180),
};

/// Where the secret key is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum KeySource {
    /// In the user's keyring, under this name.
    Keyring(String),
    /// In an exported file.
    File(PathBuf),
    /// The text of the variable [`KEY_VARIABLE`].
    Variable(String),
    /// Made now, for this owner.
    New(String),
}

impl KeySource {
    /// The source for `--sign` or, without it, for the variable's text.
    ///
    /// # Errors
    /// `--sign` looks like a file, and there is none.
    fn choose(asked: Option<&str>, variable: Option<String>) -> Result<Option<Self>> {
        let Some(asked) = asked else {
            let text = variable.filter(|text| !text.trim().is_empty());
            return Ok(text.map(KeySource::Variable));
        };
        let path = Path::new(asked);
        let ending = path.extension().and_then(OsStr::to_str);
        let like_a_file = asked.contains('/')
            || ending.is_some_and(|ending| ["asc", "gpg", "key", "pgp"].contains(&ending));
        match path.exists() {
            true => Ok(Some(KeySource::File(path.to_path_buf()))),
            false if like_a_file || asked.is_empty() => Err(usage(format!(
                "--sign {asked}: there is no such file: give an exported secret key, or the ID of a key in gpg's keyring"
            ))),
            false => Ok(Some(KeySource::Keyring(asked.to_string()))),
        }
    }

    /// What messages call it. Never the key itself.
    fn shown(&self) -> String {
        match self {
            KeySource::Keyring(name) => format!("--sign {name}"),
            KeySource::File(path) => format!("--sign {}", path.display()),
            KeySource::Variable(_) => format!("${KEY_VARIABLE}"),
            KeySource::New(owner) => format!("the new key of {owner}"),
        }
    }
}

/// A secret key that has signed already, for a test.
pub struct Signer {
    gpg: Gpg,
    key: ListedKey,
    source: String,
    /// Its public half, to check what it signs.
    public: PublicKey,
    folder: TempDir,
}

impl Signer {
    /// The signer for `--sign`, or for [`KEY_VARIABLE`]; None if neither is given. The key signs a test first, so that a
    /// key that does not sign is found before hours of work. `root` is the project's folder; `yes` is the consent to install
    /// gpg.
    ///
    /// # Errors
    /// There is no gpg, no such key, it cannot sign, or it is not the project's.
    pub fn find(asked: Option<&str>, yes: bool, root: &Path) -> Result<Option<Self>> {
        let variable = std::env::var_os(KEY_VARIABLE);
        let variable = variable.map(|text| text.to_string_lossy().into_owned());
        let Some(source) = KeySource::choose(asked, variable)? else {
            return Ok(None);
        };
        let signer = Signer::of(&source, yes)?;
        signer.require_project_key(root)?;
        Ok(Some(signer))
    }

    /// The signer with the one key of an exported `file`: the project's or another.
    ///
    /// # Errors
    /// As for [`Signer::find`].
    pub fn of_file(file: &Path) -> Result<Self> {
        Signer::of(&KeySource::File(file.to_path_buf()), false)
    }

    /// A signer with a key of its own, which is made now and gone when this is dropped.
    ///
    /// # Errors
    /// There is no gpg, or it makes no key.
    pub fn stranger() -> Result<Self> {
        Signer::of(
            &KeySource::New("A Stranger <stranger@example.org>".into()),
            false,
        )
    }

    fn of(source: &KeySource, yes: bool) -> Result<Self> {
        packages::ensure(yes, NEEDS)?;
        let folder = tempfile::tempdir().context("cannot make a folder to sign in")?;
        let gpg = keyring(source)?;
        let key = usable(&gpg, source)?;
        let public = folder.path().join(PUBLIC_KEY);
        let output = ["--quiet", "--yes", "--armor", "--output"];
        let mut export: Vec<&OsStr> = output.iter().map(OsStr::new).collect();
        let fingerprint = &key.fingerprint[..];
        export.extend([
            public.as_os_str(),
            OsStr::new("--export"),
            OsStr::new(fingerprint),
        ]);
        let exported = gpg.ask(&export)?;
        if !exported.status.success() {
            return Err(usage(format!(
                "{}: gpg does not export the public key: {}",
                source.shown(),
                last_line(&exported)
            )));
        }
        let signer = Signer {
            gpg,
            key,
            source: source.shown(),
            public: PublicKey::read(&public)?,
            folder,
        };
        signer.sign("test\n")?;
        Ok(signer)
    }

    /// The primary key's fingerprint.
    pub fn fingerprint(&self) -> &str {
        &self.key.fingerprint
    }

    /// The key's ID and owner, for people.
    pub fn shown(&self) -> String {
        self.key.shown()
    }

    /// The signature of the sums `text`, checked.
    ///
    /// # Errors
    /// gpg does not sign: the passphrase is missing or wrong.
    pub fn sign(&self, text: &str) -> Result<Vec<u8>> {
        let (sums, signature) = self.files();
        fs::write(&sums, text).with_context(|| format!("cannot write {}", sums.display()))?;
        // The user's gpg.conf may say otherwise.
        let mut arguments = vec!["--yes", "--no-armor", "--no-textmode", "--status-fd=1"];
        arguments.extend(["--digest-algo=SHA512", "--local-user", self.fingerprint()]);
        if !gpg::can_ask() {
            arguments.push("--pinentry-mode=error");
        }
        let mut arguments: Vec<&OsStr> = arguments.into_iter().map(OsStr::new).collect();
        arguments.extend([OsStr::new("--output"), signature.as_os_str()]);
        arguments.extend([
            OsStr::new("--detach-sign"),
            OsStr::new("--"),
            sums.as_os_str(),
        ]);
        let finished = self.gpg.run(&arguments, SIGN)?;
        if !finished.status.success() {
            let why =
                refusal(&finished.stdout).map_or_else(|| last_line(&finished), str::to_string);
            return Err(usage(format!(
                "{}: cannot sign with the key {}: {why}",
                self.source,
                self.shown()
            )));
        }
        if let Err(fault) = self.public.check(&sums, &signature)? {
            return Err(usage(format!(
                "{}: the signature that gpg made {fault}: take another key",
                self.source
            )));
        }
        fs::read(&signature).with_context(|| format!("cannot read {}", signature.display()))
    }

    /// What it signed last, and the signature.
    fn files(&self) -> (PathBuf, PathBuf) {
        let folder = self.folder.path();
        (folder.join(SUMS), folder.join(SIGNATURE))
    }

    /// Who checks against the project's public key has to find this one there.
    fn require_project_key(&self, root: &Path) -> Result<()> {
        let file = root.join(PUBLIC_KEY);
        if !file.exists() {
            return Ok(());
        }
        let (sums, signature) = self.files();
        match PublicKey::read(&file)?.check(&sums, &signature)? {
            Ok(_) => Ok(()),
            Err(_) => Err(usage(format!(
                "{}: the key {} is not the one in {PUBLIC_KEY}, which releases are checked with: sign with that, or replace it (docs/maintainer.md)",
                self.source,
                self.shown()
            ))),
        }
    }
}

/// The keyring with the key of `source`, which is imported first if it is a file.
fn keyring(source: &KeySource) -> Result<Gpg> {
    let shown = source.shown();
    let written;
    let file = match source {
        KeySource::Keyring(_) => return Ok(Gpg::of_user()),
        KeySource::New(owner) => return keyring_with_new_key(owner),
        KeySource::File(path) => path.as_path(),
        KeySource::Variable(text) => {
            // Only this user can read it; it is gone when this returns.
            written = tempfile::NamedTempFile::new().context("cannot make a file for the key")?;
            fs::write(written.path(), text).context("cannot write the key")?;
            written.path()
        }
    };
    fs::File::open(file).map_err(|error| usage(format!("{shown}: cannot read it: {error}")))?;
    let gpg = Gpg::alone()?;
    let listed = keys::parse(&gpg.on_file(&["--with-colons", "--show-keys"], file)?.stdout);
    let instead = "give what `gpg --armor --export-secret-keys KEY` prints";
    if listed.is_empty() {
        return Err(usage(format!("{shown} is not a secret key: {instead}")));
    }
    if listed.iter().all(|key| !key.secret) {
        return Err(usage(format!("{shown} is a public key: {instead}")));
    }
    let imported = gpg.on_file(&["--quiet", "--import"], file)?;
    if !imported.status.success() {
        return Err(usage(format!(
            "{shown}: gpg does not take the key: {}: {instead}",
            last_line(&imported)
        )));
    }
    Ok(gpg)
}

/// A keyring with a new key, without a passphrase.
fn keyring_with_new_key(owner: &str) -> Result<Gpg> {
    let gpg = Gpg::alone()?;
    let no_passphrase = ["--quiet", "--pinentry-mode=loopback", "--passphrase", ""];
    let make = ["--quick-generate-key", owner, "ed25519", "sign", "never"];
    let arguments: Vec<&OsStr> = no_passphrase.iter().chain(&make).map(OsStr::new).collect();
    let made = gpg.ask(&arguments)?;
    if !made.status.success() {
        return Err(usage(format!(
            "gpg makes no key for {owner}: {}",
            last_line(&made)
        )));
    }
    Ok(gpg)
}

/// The one key of `source` in its keyring, if it can sign.
fn usable(gpg: &Gpg, source: &KeySource) -> Result<ListedKey> {
    let mut list = vec!["--with-colons", "--list-secret-keys"];
    let (name, place) = match source {
        KeySource::Keyring(name) => (Some(&name[..]), "gpg's keyring"),
        KeySource::File(_) | KeySource::Variable(_) | KeySource::New(_) => (None, "it"),
    };
    list.extend(name.iter().flat_map(|name| ["--", name]));
    let list: Vec<&OsStr> = list.into_iter().map(OsStr::new).collect();
    let listed = gpg.ask(&list)?;
    keys::to_sign_with(keys::parse(&listed.stdout)).map_err(|why| {
        let all = match (name, listed.status.success()) {
            (Some(_), false) => " of this name: `gpg --list-secret-keys` shows all",
            _ => "",
        };
        usage(format!("{}: {place} {why}{all}", source.shown()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_an_id_and_the_variable_are_told_apart() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let choose = |asked: Option<&str>, variable: &str| {
            KeySource::choose(asked, Some(variable.to_string())).unwrap()
        };
        let id = || KeySource::Keyring("a@x.org".into());
        assert_eq!(choose(Some(path), ""), Some(KeySource::File(path.into())));
        assert_eq!(choose(Some("a@x.org"), "key"), Some(id()));
        assert_eq!(choose(None, "key"), Some(KeySource::Variable("key".into())));
        assert_eq!(choose(None, " \n"), None);
        assert_eq!(KeySource::choose(None, None).unwrap(), None);
        for gone in ["/no/such", "key.asc", "./key", ""] {
            let error = KeySource::choose(Some(gone), None).unwrap_err().to_string();
            assert!(error.contains("there is no such file"), "{error}");
        }
    }

    #[test]
    fn messages_do_not_hold_the_key() {
        let source = KeySource::Variable("-----BEGIN".into());
        assert_eq!(source.shown(), "$OLLAMALIVE_SIGNING_KEY");
    }
}
