//! `ssh.strict-modes`

use anyhow::Result;
use vm::ssh::{Key, Method};

use crate::scenario::{Context, Finding};

/// What others can write, and the command that lets them; `{home}` is the folder of the keys.
const LOOSENED: &[(&str, &str, &str)] = &[
    (
        "the file",
        "chmod 664 {home}/authorized_keys",
        "chmod 600 {home}/authorized_keys",
    ),
    ("the folder", "chmod 770 {home}", "chmod 700 {home}"),
];

#[derive(Debug, Clone)]
struct Facts {
    /// The key logs in while only the owner can write its file. Otherwise a refusal proves nothing.
    accepted: bool,
    /// The things that others can write, with a key that logged in all the same.
    loose: Vec<&'static str>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let server = cx.machine.server()?;
    let user = server.user.clone();
    let key = Key::generate(&cx.folder, "loose")?;
    let home = format!("~{user}/.ssh");
    cx.machine.succeed(&format!(
        "install -d -m 700 -o {user} {home} && echo '{}' > {home}/authorized_keys && chown {user} {home}/authorized_keys && chmod 600 {home}/authorized_keys",
        key.public
    ))?;
    let method = Method::PublicKey(&key);
    let folder = cx.folder.clone();
    let accepted = server.attempt(&user, &method, &folder)?.accepted;
    let mut loose = Vec::new();
    for (what, loosen, tighten) in LOOSENED {
        cx.machine.succeed(&loosen.replace("{home}", &home))?;
        if server.attempt(&user, &method, &folder)?.accepted {
            loose.push(*what);
        }
        cx.machine.succeed(&tighten.replace("{home}", &home))?;
    }
    cx.machine.succeed(&format!("rm {home}/authorized_keys"))?;
    Ok(Facts { accepted, loose })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    if !facts.accepted {
        faults.push("the key is refused even when only the owner can write its file".to_string());
    }
    let loose = facts.loose.iter();
    faults.extend(loose.map(|what| format!("a key logs in while others can write {what}")));
    Finding::from_faults(
        &faults,
        "a key logs in, and is refused while others can write its file or folder",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    #[test]
    fn only_a_key_that_others_can_replace_is_refused() {
        let good = Facts {
            accepted: true,
            loose: Vec::new(),
        };
        assert_kept(
            judge(&good),
            "a key logs in, and is refused while others can write its file or folder",
        );
        assert_each_breaks(
            &good,
            judge,
            &[
                (
                    |facts| facts.accepted = false,
                    "the key is refused even when only the owner can write its file",
                ),
                (
                    |facts| facts.loose.push("the file"),
                    "a key logs in while others can write the file",
                ),
                (
                    |facts| facts.loose.push("the folder"),
                    "a key logs in while others can write the folder",
                ),
            ],
        );
    }
}
