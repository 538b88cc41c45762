//! Checking a signature against a public key in a file.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use stick::sums::SUMS;

use super::gpg::{Gpg, last_line};
use super::status::{Signatory, verdict};
use super::{NEEDS, PUBLIC_KEY, SIGNATURE, is_signed, keys};
use crate::error::usage;
use crate::packages;

/// What can be said of a release's signature.
#[derive(Debug, PartialEq, Eq)]
pub enum SignatureCheck {
    Good(Signatory),
    /// Bad, or missing where it has to be there: what is wrong.
    Bad(String),
    Unsigned,
    /// Signed, but not checked: why.
    Unchecked(String),
}

/// The public key that signatures are checked against.
#[derive(Debug, Clone)]
pub struct ExpectedKey {
    pub file: PathBuf,
    /// Named by the user, who then expects every release to be signed with it.
    pub required: bool,
}

impl ExpectedKey {
    /// The key `asked` for, or else the project's, if there is one.
    pub fn choose(asked: Option<&Path>, project: Option<&Path>) -> Option<Self> {
        let expected = |file: PathBuf, required| ExpectedKey { file, required };
        let own = project.map(|root| root.join(PUBLIC_KEY));
        match asked {
            Some(file) => Some(expected(file.to_path_buf(), true)),
            None => own
                .filter(|file| file.exists())
                .map(|file| expected(file, false)),
        }
    }
}

/// Checks the signature of the sums in `folder`. `signer` is the key that the manifest names.
///
/// # Errors
/// The public key cannot be used; there is no gpg, and the user named the key.
pub fn check(
    folder: &Path,
    key: Option<&ExpectedKey>,
    signer: Option<&str>,
) -> Result<SignatureCheck> {
    let required = key.is_some_and(|key| key.required);
    if !is_signed(folder) {
        // A key that is none is said in any case.
        if let Some(key) = key.filter(|key| key.required) {
            require_gpg()?;
            PublicKey::read(&key.file)?;
        }
        return Ok(unsigned(required, signer));
    }
    let Some(key) = key else {
        return Ok(SignatureCheck::Unchecked(
            "signed, but no public key to check it with: give it with --key FILE".to_string(),
        ));
    };
    if let Err(error) = require_gpg() {
        return match required {
            true => Err(error),
            false => Ok(SignatureCheck::Unchecked(format!("signed, but {error}"))),
        };
    }
    let verdict = PublicKey::read(&key.file)?.check(&folder.join(SUMS), &folder.join(SIGNATURE))?;
    Ok(match verdict {
        Ok(signatory) => SignatureCheck::Good(signatory),
        Err(fault) => {
            SignatureCheck::Bad(format!("{fault} (checked against {})", key.file.display()))
        }
    })
}

fn unsigned(required: bool, signer: Option<&str>) -> SignatureCheck {
    match signer {
        Some(signer) => SignatureCheck::Bad(format!(
            "is missing, but the release is signed with the key {signer}"
        )),
        None if required => {
            SignatureCheck::Bad("is missing: the release is not signed".to_string())
        }
        None => SignatureCheck::Unsigned,
    }
}

fn require_gpg() -> Result<()> {
    let gpg = &NEEDS[..1];
    match packages::missing(gpg)[..] {
        [] => Ok(()),
        _ => Err(usage(format!(
            "there is no gpg on the PATH to check the signature with: install GnuPG, on Debian with `{}`",
            packages::command(&packages::missing(gpg))
        ))),
    }
}

/// gpg with the public keys of one file and no others.
pub struct PublicKey(Gpg);

impl PublicKey {
    /// # Errors
    /// The file cannot be read, or holds no public key.
    pub fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        std::fs::File::open(file).map_err(|error| match error.kind() {
            ErrorKind::NotFound => usage(format!(
                "there is no file {shown}: give the exported public key, such as release-key.asc"
            )),
            _ => usage(format!("cannot read the public key {shown}: {error}")),
        })?;
        let gpg = Gpg::alone()?;
        let listed = keys::parse(&gpg.on_file(&["--with-colons", "--show-keys"], file)?.stdout);
        let instead = "give what `gpg --armor --export KEY` prints";
        if listed.is_empty() {
            return Err(usage(format!("{shown} is not a public key: {instead}")));
        }
        if listed.iter().any(|key| key.secret) {
            return Err(usage(format!(
                "{shown} is a secret key, which should not leave its owner: {instead}"
            )));
        }
        let imported = gpg.on_file(&["--quiet", "--import"], file)?;
        if !imported.status.success() {
            return Err(usage(format!(
                "gpg does not take the public key {shown}: {}: {instead}",
                last_line(&imported)
            )));
        }
        Ok(PublicKey(gpg))
    }

    /// The verdict on the file `signature` of the file `signed`.
    ///
    /// # Errors
    /// gpg cannot be run. A bad signature is a verdict.
    pub fn check(&self, signed: &Path, signature: &Path) -> Result<Result<Signatory, String>> {
        // As systemd calls it (src/import/pull-common.c), but with its own report.
        let mut arguments: Vec<&OsStr> = ["--no-auto-key-locate", "--trust-model=always"]
            .iter()
            .chain(&["--status-fd=1", "--verify", "--"])
            .map(OsStr::new)
            .collect();
        arguments.extend([signature.as_os_str(), signed.as_os_str()]);
        let finished = self.0.ask(&arguments)?;
        Ok(verdict(&finished.stdout, finished.status.success()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_signature_is_bad_only_where_one_was_promised() {
        let words = |required, signer| match unsigned(required, signer) {
            SignatureCheck::Bad(why) => why,
            other => format!("{other:?}"),
        };
        assert_eq!(words(false, None), "Unsigned");
        assert!(words(true, None).contains("is not signed"));
        assert!(words(false, Some("AB")).contains("signed with the key AB"));
    }

    #[test]
    fn the_projects_key_is_expected_if_it_is_there() {
        let project = tempfile::tempdir().unwrap();
        let root = Some(project.path());
        assert!(ExpectedKey::choose(None, root).is_none());
        std::fs::write(project.path().join(PUBLIC_KEY), "").unwrap();
        let own = ExpectedKey::choose(None, root).unwrap();
        assert!(!own.required && own.file.ends_with(PUBLIC_KEY));
        let asked = ExpectedKey::choose(Some(Path::new("x")), root).unwrap();
        assert!(asked.required && asked.file == Path::new("x"));
    }
}
