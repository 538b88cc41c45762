//! Who signs a release.

use std::path::Path;

use anyhow::Result;

use crate::cli::Release;
use crate::error::usage;
use crate::release::resume::{self, SignedSums};
use crate::release::signature::SIGNATURE;
use crate::release::signature::signer::Signer;

/// How the sums of this release are signed.
pub enum Signing {
    Unsigned,
    By(Signer),
    /// An earlier run has signed them.
    Before(SignedSums),
}

/// When the signature in the folder was made.
pub enum Signed {
    Now,
    Before,
}

impl Signing {
    /// What `options` ask for, or else the signature in the release's folder `out`. `root` is the project's folder.
    ///
    /// # Errors
    /// The key cannot sign; or none is given, and `out` has a signature that is not of its checksums.
    pub fn choose(options: &Release, out: &Path, root: &Path) -> Result<Self> {
        let signer = Signer::find(options.sign.as_deref(), options.consent.yes, root)?;
        match (signer, resume::signed(out)) {
            (Some(signer), _) => Ok(Signing::By(signer)),
            (None, Some(signed)) => Ok(Signing::Before(signed)),
            (None, None) if out.join(SIGNATURE).exists() => Err(stale(out)),
            (None, None) => Ok(Signing::Unsigned),
        }
    }

    /// The fingerprint of the key; None if the release is not signed.
    pub fn key(&self) -> Option<&str> {
        match self {
            Signing::Unsigned => None,
            Signing::By(signer) => Some(signer.fingerprint()),
            Signing::Before(signed) => Some(&signed.key),
        }
    }

    /// Writes the signature of `sums` to the folder `out`, unless an earlier run did. None if the release is not signed.
    ///
    /// # Errors
    /// gpg fails; or no key is given, and the sums have changed since they were signed.
    pub fn sign(&self, sums: &str, out: &Path) -> Result<Option<Signed>> {
        match self {
            Signing::Unsigned => Ok(None),
            Signing::Before(signed) if signed.fits(sums) => Ok(Some(Signed::Before)),
            Signing::Before(_) => Err(stale(out)),
            Signing::By(signer) => {
                // The manifest names the key, and the sums have the manifest.
                if resume::signed(out).is_some_and(|signed| signed.fits(sums)) {
                    return Ok(Some(Signed::Before));
                }
                resume::place_signature(out, signer.fingerprint(), sums, &signer.sign(sums)?)?;
                Ok(Some(Signed::Now))
            }
        }
    }
}

fn stale(out: &Path) -> anyhow::Error {
    usage(format!(
        "{} is not a signature of this release: sign with --sign KEYID|FILE, or remove it to release without a signature",
        out.join(SIGNATURE).display()
    ))
}
