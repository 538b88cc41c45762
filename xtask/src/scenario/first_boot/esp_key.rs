//! `ssh.key-from-esp`

use anyhow::Result;

use super::esp_connection::IMPORT;
use crate::disk_fixtures::{NOTEPADS_KEY, WEAK_KEY};
use crate::scenario::{Context, Finding};

#[derive(Debug, Clone)]
struct Facts {
    /// /persist/ssh/authorized_keys after the import.
    authorized_keys: String,
    /// The journal of esp-import.service.
    journal: String,
    /// The same file after it was emptied and the import ran again.
    after_withdrawal: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    let facts = gather(cx)?;
    let owner = format!("no-agent-forwarding {}", cx.machine.login().key.public);
    Ok(judge(facts.as_ref(), &owner))
}

/// `None`: the owner's key was refused, so there was no root shell to look with.
fn gather(cx: &mut Context) -> Result<Option<Facts>> {
    let server = cx.machine.server()?;
    if !cx.owner_key_accepted(&server)? {
        return Ok(None);
    }
    let [authorized_keys, journal, after_withdrawal] = cx.exec_within([
        "cat /persist/ssh/authorized_keys",
        "journalctl -b --no-pager -o cat -u esp-import",
        "cp -a /persist/ssh/authorized_keys /run/kept && : > /persist/ssh/authorized_keys && systemctl restart esp-import; \
         cat /persist/ssh/authorized_keys; cp -a /run/kept /persist/ssh/authorized_keys",
    ], IMPORT)?.map(|output| output.text);
    Ok(Some(Facts {
        authorized_keys,
        journal,
        after_withdrawal,
    }))
}

/// `owner` is the line of the owner's key, as it is on the ESP.
fn judge(facts: Option<&Facts>, owner: &str) -> Finding {
    let Some(facts) = facts else {
        let why = "the key in ollamalive/authorized_keys on the ESP was refused";
        return Finding::Broken(why.to_string());
    };
    let mut faults = Vec::new();
    if facts.authorized_keys != format!("{owner}\n{NOTEPADS_KEY}") {
        faults.push(format!(
            "/persist/ssh/authorized_keys is {:?}",
            facts.authorized_keys
        ));
    }
    let weak = WEAK_KEY.split_whitespace().last().unwrap_or_default();
    for (key, words) in [
        ("junk", vec!["line 2", "refused"]),
        ("a key of 1024 bits", vec!["line 3", "refused", weak]),
        ("half a key", vec!["line 4", "refused"]),
        ("a key behind a title", vec!["line 7", "refused"]),
        ("the owner's key", vec!["line 6", "taken"]),
        ("Notepad's key", vec!["authorized_keys.txt", "taken"]),
    ] {
        let mut lines = facts.journal.lines();
        if !lines.any(|line| words.iter().all(|word| line.contains(word))) {
            faults.push(format!(
                "the journal does not say that {key} was {}",
                words[1]
            ));
        }
    }
    if !facts.after_withdrawal.is_empty() {
        faults.push("a key that was withdrawn came back".to_string());
    }
    Finding::from_faults(
        &faults,
        "two keys taken, once; junk, half a key, a key behind a title and an RSA key of 1024 bits refused by name",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        let weak = WEAK_KEY.split_whitespace().last().unwrap();
        Facts {
            authorized_keys: format!("ssh-ed25519 AAAA owner\n{NOTEPADS_KEY}"),
            journal: format!(
                "line 2: refused\nline 3: refused {weak}\nline 4: refused\nline 6: taken\nline 7: refused\nauthorized_keys.txt: taken"
            ),
            after_withdrawal: String::new(),
        }
    }

    fn judge_some(facts: &Facts) -> Finding {
        judge(Some(facts), "ssh-ed25519 AAAA owner")
    }

    #[test]
    fn kept_when_only_the_owners_key_was_taken() {
        assert_kept(
            judge_some(&good()),
            "two keys taken, once; junk, half a key, a key behind a title and an RSA key of 1024 bits refused by name",
        );
    }

    #[test]
    fn a_refused_key_breaks_it() {
        let evidence = "the key in ollamalive/authorized_keys on the ESP was refused";
        assert_eq!(judge(None, ""), Finding::Broken(evidence.to_string()));
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge_some,
            &[
                (
                    |facts| facts.authorized_keys = "junk".to_string(),
                    "/persist/ssh/authorized_keys is \"junk\"",
                ),
                (
                    |facts| facts.journal = facts.journal.replace("line 2", ""),
                    "the journal does not say that junk was refused",
                ),
                (
                    // The line has to name the key.
                    |facts| {
                        facts.journal = facts
                            .journal
                            .replace("line 3: refused ", "line 3: refused\n")
                    },
                    "the journal does not say that a key of 1024 bits was refused",
                ),
                (
                    |facts| {
                        facts.journal = facts.journal.replace("line 4: refused", "line 4: taken")
                    },
                    "the journal does not say that half a key was refused",
                ),
                (
                    |facts| {
                        facts.journal = facts.journal.replace("line 7: refused", "line 7: taken")
                    },
                    "the journal does not say that a key behind a title was refused",
                ),
                (
                    |facts| facts.journal = facts.journal.replace(".txt: taken", ""),
                    "the journal does not say that Notepad's key was taken",
                ),
                (
                    |facts| {
                        facts.journal = facts.journal.replace("line 6: taken", "line 6: refused")
                    },
                    "the journal does not say that the owner's key was taken",
                ),
                (
                    |facts| facts.after_withdrawal = facts.authorized_keys.clone(),
                    "a key that was withdrawn came back",
                ),
            ],
        );
    }
}
