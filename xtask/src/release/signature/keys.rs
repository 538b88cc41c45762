//! Keys as gpg lists them for programs (`--with-colons`; GnuPG, doc/DETAILS).

/// The state of a key, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    Valid,
    Expired,
    Revoked,
}

/// A key and what can be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// Of the primary key, in hex.
    pub fingerprint: String,
    /// Its first user ID, such as `Name <name@example.org>`.
    pub owner: String,
    /// Whether this is a secret key.
    pub secret: bool,
    pub state: KeyState,
    /// The parts that are there to sign with: the primary key, subkeys.
    signing: Vec<KeyState>,
}

/// The keys in gpg's `listing`.
pub fn parse(listing: &str) -> Vec<ListedKey> {
    let mut keys: Vec<ListedKey> = Vec::new();
    for line in listing.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let field = |number: usize| fields.get(number - 1).copied().unwrap_or_default();
        let (kind, state) = (field(1), state(field(2)));
        if matches!(kind, "pub" | "sec") {
            keys.push(ListedKey {
                fingerprint: String::new(),
                owner: String::new(),
                secret: kind == "sec",
                state,
                signing: Vec::new(),
            });
        }
        let Some(key) = keys.last_mut() else { continue };
        // "#": the secret part is kept elsewhere.
        let here = field(15) != "#";
        match kind {
            "pub" | "sec" | "sub" | "ssb" if here && field(12).contains('s') => {
                key.signing.push(state);
            }
            "fpr" if key.fingerprint.is_empty() => key.fingerprint = field(10).to_string(),
            "uid" if key.owner.is_empty() => key.owner = field(10).replace("\\x3a", ":"),
            _ => {}
        }
    }
    keys
}

fn state(field: &str) -> KeyState {
    match field {
        "e" => KeyState::Expired,
        "r" => KeyState::Revoked,
        _ => KeyState::Valid,
    }
}

/// The key to sign with: the only one of `keys`.
///
/// # Errors
/// There is not exactly one, or it cannot sign: what is wrong and what to do, after the place of the keys.
pub fn to_sign_with(keys: Vec<ListedKey>) -> Result<ListedKey, String> {
    let mut keys = keys.into_iter().filter(|key| key.secret);
    let (key, more) = (keys.next(), keys.count());
    let Some(key) = key else {
        return Err("holds no secret key".to_string());
    };
    if more > 0 {
        return Err(format!(
            "holds {} secret keys: name one by its fingerprint",
            more + 1
        ));
    }
    let best = if key.state == KeyState::Valid {
        let mut parts = key.signing.iter().copied();
        let first = parts.next();
        let valid = |state: &KeyState| *state == KeyState::Valid;
        parts.find(valid).or(first)
    } else {
        Some(key.state)
    };
    let name = key.shown();
    match best {
        Some(KeyState::Valid) => Ok(key),
        Some(KeyState::Expired) => Err(format!(
            "holds the key {name}, which has expired: extend it (`gpg --quick-set-expire {} 2y`), or take another one",
            key.fingerprint
        )),
        Some(KeyState::Revoked) => Err(format!(
            "holds the key {name}, which was revoked: take another one"
        )),
        None => Err(format!(
            "holds the key {name} without a secret part that can sign: take another one"
        )),
    }
}

impl ListedKey {
    /// Its ID and its owner, for people.
    pub fn shown(&self) -> String {
        shown(&self.fingerprint, &self.owner)
    }
}

/// The long ID of a key, which is the end of its fingerprint, and its `owner`.
pub fn shown(fingerprint: &str, owner: &str) -> String {
    let id = fingerprint.get(fingerprint.len().saturating_sub(16)..);
    format!("{} ({owner})", id.unwrap_or(fingerprint))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = "2554ED47C1EC3C486D03AC16B2F8FEF8619B169B";

    /// A listing of one key: its kind and validity, and those of its parts with capabilities and token.
    fn listing(kind: &str, validity: &str, parts: &[(&str, &str, &str)]) -> String {
        let mut lines = String::new();
        for (at, (validity_of_part, can, token)) in parts.iter().enumerate() {
            let (kind, validity) = match at {
                0 => (kind, validity),
                _ => ("ssb", *validity_of_part),
            };
            let fingerprint = match at {
                0 => PRIMARY.to_string(),
                _ => format!("{at:040}"),
            };
            lines += &format!(
                "{kind}:{validity}:255:22:B2F8FEF8619B169B:1795821081:::-:::{can}:::{token}::ed25519:::0:\n\
                 fpr:::::::::{fingerprint}:\n"
            );
        }
        lines + "uid:-::::1795821081::5B98::A\\x3a B <a@x>::::::::::0:\n"
    }

    fn chosen(listing: &str) -> Result<ListedKey, String> {
        to_sign_with(parse(listing))
    }

    #[test]
    fn a_key_is_read_from_its_listing() {
        let key = chosen(&listing("sec", "u", &[("", "scSC", "+")])).unwrap();
        assert_eq!(key.fingerprint, PRIMARY);
        assert_eq!(key.owner, "A: B <a@x>");
        assert_eq!(key.shown(), "B2F8FEF8619B169B (A: B <a@x>)");
        let subkey_only = [("", "cSC", "#"), ("u", "s", "+")];
        let key = chosen(&listing("sec", "u", &subkey_only)).unwrap();
        assert_eq!(key.fingerprint, PRIMARY, "of the primary key");
        let card = chosen(&listing("sec", "-", &[("", "scSC", "D2760001240102")]));
        assert_eq!(card.unwrap().fingerprint, PRIMARY);
        let renewed = [("", "cSC", "+"), ("e", "s", "+"), ("u", "s", "+")];
        assert!(chosen(&listing("sec", "u", &renewed)).is_ok());
    }

    #[test]
    fn a_key_that_cannot_sign_is_refused() {
        let good = listing("sec", "u", &[("", "sc", "+")]);
        let encrypts = [("", "cE", "+"), ("u", "e", "+")];
        for (listing, words) in [
            (String::new(), "holds no secret key"),
            (
                listing("pub", "u", &[("", "sc", "")]),
                "holds no secret key",
            ),
            (good.repeat(2), "holds 2 secret keys"),
            (listing("sec", "e", &[("", "sc", "+")]), "has expired"),
            (
                listing("sec", "u", &[("", "c", "+"), ("e", "s", "+")]),
                "has expired",
            ),
            (listing("sec", "r", &[("", "sc", "+")]), "was revoked"),
            (
                listing("sec", "u", &encrypts),
                "without a secret part that can sign",
            ),
            (
                listing("sec", "u", &[("", "sc", "#")]),
                "without a secret part that can sign",
            ),
        ] {
            let why = chosen(&listing).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
