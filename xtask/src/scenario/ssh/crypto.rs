//! `ssh.modern-crypto`

use anyhow::Result;

use crate::scenario::{Context, Finding};

/// The algorithms that may be offered, in OpenSSH's names. Left out: SHA-1, NIST curves, finite-field groups, CBC and CTR
/// modes, MACs that authenticate the plaintext.
const KEX: &[&str] = &[
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
];
/// Not algorithms, but signals in the same list (RFC 8308, and OpenSSH's strict key exchange).
const KEX_SIGNALS: &[&str] = &["ext-info-s", "kex-strict-s-v00@openssh.com"];
const CIPHERS: &[&str] = &[
    "chacha20-poly1305@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
];
const MACS: &[&str] = &[
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "umac-128-etm@openssh.com",
];

/// The server's proposal; see [`vm::ssh::Server::proposal`].
#[derive(Debug, Clone)]
struct Facts {
    /// Each list's name, and its algorithms.
    lists: Vec<(String, Vec<String>)>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    Ok(Facts {
        lists: cx.machine.server()?.proposal()?,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    let mut counts = Vec::new();
    let kex: Vec<&str> = [KEX, KEX_SIGNALS].concat();
    let allowed: [(&str, &[&str]); 5] = [
        ("KEX algorithms", &kex),
        ("ciphers ctos", CIPHERS),
        ("ciphers stoc", CIPHERS),
        ("MACs ctos", MACS),
        ("MACs stoc", MACS),
    ];
    for (list, names) in allowed {
        let Some((_, offered)) = facts.lists.iter().find(|(name, _)| name == list) else {
            faults.push(format!("no list of {list}"));
            continue;
        };
        faults.extend(
            offered
                .iter()
                .filter(|name| !names.contains(&name.as_str()))
                .map(|name| format!("{list}: {name}")),
        );
        let algorithms = offered
            .iter()
            .filter(|name| !KEX_SIGNALS.contains(&name.as_str()));
        counts.push(format!("{} {list}", algorithms.count()));
    }
    Finding::from_faults(&faults, counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        let list = |name: &str, algorithms: &[&str]| {
            let algorithms = algorithms.iter().copied().map(String::from);
            (name.to_string(), algorithms.collect())
        };
        Facts {
            lists: vec![
                list("KEX algorithms", &["curve25519-sha256", "ext-info-s"]),
                list("host key algorithms", &["ssh-ed25519"]),
                list("ciphers ctos", CIPHERS),
                list("ciphers stoc", CIPHERS),
                list("MACs ctos", MACS),
                list("MACs stoc", MACS),
            ],
        }
    }

    #[test]
    fn kept_when_all_algorithms_are_allowed() {
        assert_kept(
            judge(&good()),
            "1 KEX algorithms, 3 ciphers ctos, 3 ciphers stoc, 3 MACs ctos, 3 MACs stoc",
        );
    }

    #[test]
    fn each_weak_algorithm_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| {
                        let sha1 = "diffie-hellman-group14-sha1".to_string();
                        facts.lists[0].1.push(sha1);
                    },
                    "KEX algorithms: diffie-hellman-group14-sha1",
                ),
                (
                    |facts| facts.lists[2].1.push("aes128-cbc".to_string()),
                    "ciphers ctos: aes128-cbc",
                ),
                (
                    |facts| facts.lists[3].1.push("aes128-ctr".to_string()),
                    "ciphers stoc: aes128-ctr",
                ),
                (
                    |facts| facts.lists[4].1.push("hmac-sha1".to_string()),
                    "MACs ctos: hmac-sha1",
                ),
                (
                    |facts| facts.lists[5].1.push("hmac-sha1".to_string()),
                    "MACs stoc: hmac-sha1",
                ),
                (|facts| facts.lists.truncate(5), "no list of MACs stoc"),
            ],
        );
    }
}
