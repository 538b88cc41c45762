//! What gpg's status lines mean (`--status-fd`; GnuPG, doc/DETAILS).

use super::keys::shown;

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatory {
    /// Of the primary key, in hex.
    pub fingerprint: String,
    /// Its user ID.
    pub owner: String,
}

impl Signatory {
    /// The key's ID and its owner, for people.
    pub fn shown(&self) -> String {
        shown(&self.fingerprint, &self.owner)
    }
}

/// The status lines in `status`: the keyword, and what follows it.
fn lines(status: &str) -> impl Iterator<Item = (&str, &str)> {
    status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "))
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
}

/// The verdict on a signature: who made it. `succeeded`: gpg ended well, which alone says nothing.
///
/// # Errors
/// It is not good; the reason follows the signature's name. One bad signature among several is enough.
pub fn verdict(status: &str, succeeded: bool) -> Result<Signatory, String> {
    let (mut good, mut valid) = (None, None);
    for (keyword, rest) in lines(status) {
        let (id, owner) = rest.split_once(' ').unwrap_or((rest, ""));
        let by = shown(id, owner);
        let fault = match keyword {
            "GOODSIG" => {
                good = Some(owner.to_string());
                continue;
            }
            "VALIDSIG" => {
                // The last word is the primary key, the first the one that signed.
                valid = rest.split(' ').next_back().map(str::to_string);
                continue;
            }
            "BADSIG" => format!(
                "is not a signature of these sums: one of the two was changed after {by} signed"
            ),
            "EXPSIG" => format!("has expired; it is by {by}"),
            "EXPKEYSIG" => format!("is by {by}, a key that has expired"),
            "REVKEYSIG" => format!("is by {by}, a key that was revoked"),
            "NO_PUBKEY" => format!("is by the key {id}, and not by the expected one"),
            // gpg has no key, or does not know the algorithm; NO_PUBKEY tells which.
            "ERRSIG" if rest.split(' ').nth(5) == Some(NO_KEY) => continue,
            "ERRSIG" => format!("is by the key {id}, in a way that this gpg cannot check"),
            "NODATA" => "is not an OpenPGP signature".to_string(),
            _ => continue,
        };
        return Err(fault);
    }
    match (good, valid) {
        (Some(owner), Some(fingerprint)) if succeeded => Ok(Signatory { fingerprint, owner }),
        _ => Err("cannot be checked: gpg gave no verdict".to_string()),
    }
}

/// libgpg-error's "No public key".
const NO_KEY: &str = "9";

/// Why gpg did not sign, and what to do; None if the lines do not say it.
pub fn refusal(status: &str) -> Option<&'static str> {
    let failure = lines(status).find(|(keyword, _)| *keyword == "FAILURE")?.1;
    // The low half is the error, the high half the program that it comes from (libgpg-error, gpg-error.h).
    let code: u32 = failure.rsplit(' ').next()?.parse().ok()?;
    match code & 0xffff {
        11 => Some("the passphrase is wrong"),
        // No pinentry, or one without a terminal.
        85 | 86 | 32_870 => Some(
            "it has a passphrase, and there is no terminal to ask for it: run this on a terminal, or take a key without one",
        ),
        99 | 198 => Some("the passphrase was not given"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "2554ED47C1EC3C486D03AC16B2F8FEF8619B169B";
    const SUBKEY: &str = "6B3C6BF4D33E1006FADF5E773C1B19D394946CE6";

    /// What gpg 2.2 prints for a good signature by a subkey, with `keyword` for GOODSIG.
    fn signed(keyword: &str) -> String {
        format!(
            "[GNUPG:] NEWSIG a@x\n[GNUPG:] KEY_CONSIDERED {KEY} 0\n[GNUPG:] SIG_ID 43Eu 2026-11-27 1795821102\n\
             [GNUPG:] {keyword} 3C1B19D394946CE6 A B <a@x>\n\
             [GNUPG:] VALIDSIG {SUBKEY} 2026-11-27 1795821102 0 4 0 22 8 00 {KEY}\n\
             [GNUPG:] TRUST_UNDEFINED 0 pgp\n"
        )
    }

    #[test]
    fn a_good_signature_names_its_primary_key() {
        let signatory = verdict(&signed("GOODSIG"), true).unwrap();
        assert_eq!(signatory.fingerprint, KEY);
        assert_eq!(signatory.shown(), "B2F8FEF8619B169B (A B <a@x>)");
    }

    #[test]
    fn every_other_signature_is_refused() {
        let unknown = "[GNUPG:] ERRSIG B2F8FEF8619B169B 22 8 00 1795821102 9 -\n[GNUPG:] NO_PUBKEY B2F8FEF8619B169B\n";
        let algorithm = "[GNUPG:] ERRSIG B2F8FEF8619B169B 99 8 00 1795821102 4 -\n";
        for (status, words) in [
            (
                "[GNUPG:] BADSIG B2F8FEF8619B169B A B <a@x>\n",
                "after B2F8FEF8619B169B (A B <a@x>) signed",
            ),
            (&signed("EXPSIG"), "has expired; it is by"),
            (&signed("EXPKEYSIG"), "a key that has expired"),
            (&signed("REVKEYSIG"), "a key that was revoked"),
            (unknown, "is by the key B2F8FEF8619B169B, and not by"),
            (algorithm, "in a way that this gpg cannot check"),
            (
                "[GNUPG:] NODATA 1\n[GNUPG:] NODATA 2\n",
                "is not an OpenPGP signature",
            ),
            ("", "gave no verdict"),
            (
                &signed("GOODSIG").replace("VALIDSIG", "OTHER"),
                "gave no verdict",
            ),
            (&signed("OTHER"), "gave no verdict"),
            (
                &signed("GOODSIG").replace("[GNUPG:] ", ""),
                "gave no verdict",
            ),
            (
                &(signed("GOODSIG") + &signed("REVKEYSIG")),
                "a key that was revoked",
            ),
            (
                &(signed("GOODSIG") + unknown),
                "is by the key B2F8FEF8619B169B",
            ),
        ] {
            let why = verdict(status, true).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        assert!(verdict(&signed("GOODSIG"), false).is_err());
    }

    #[test]
    fn a_refusal_to_sign_is_explained() {
        let said = |code: u32| refusal(&format!("[GNUPG:] FAILURE sign {code}\n"));
        assert!(said(67_108_949).unwrap().contains("no terminal to ask"));
        assert!(said(67_108_875).unwrap().contains("is wrong"));
        assert!(said(83_886_179).unwrap().contains("was not given"));
        assert_eq!(said(54), None);
        assert_eq!(refusal("[GNUPG:] BEGIN_SIGNING H8\n"), None);
    }
}
