//! `ssh.key-accepted`

use anyhow::Result;
use vm::ssh::{Key, Method};

use crate::scenario::{Context, Finding};

#[derive(Debug, Clone)]
struct Facts {
    /// A key in ~/.ssh/authorized_keys logged in.
    home_key_accepted: bool,
    /// It logged in after the file was removed.
    removed_key_accepted: bool,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(gather(cx)?.as_ref()))
}

/// `None`: the key on PERSIST was refused, so there was no root shell to go on with.
fn gather(cx: &mut Context) -> Result<Option<Facts>> {
    let server = cx.machine.server()?;
    let user = server.user.clone();
    if !cx.owner_key_accepted(&server)? {
        return Ok(None);
    }
    let second = Key::generate(&cx.folder, "second")?;
    let home = format!("~{user}/.ssh");
    cx.machine.succeed(&format!(
        "install -d -m 700 -o {user} {home} && echo '{}' > {home}/authorized_keys && chown {user} {home}/authorized_keys",
        second.public
    ))?;
    let in_home = server.attempt(&user, &Method::PublicKey(&second), &cx.folder)?;
    cx.machine.succeed(&format!("rm {home}/authorized_keys"))?;
    let removed = server.attempt(&user, &Method::PublicKey(&second), &cx.folder)?;
    Ok(Some(Facts {
        home_key_accepted: in_home.accepted,
        removed_key_accepted: removed.accepted,
    }))
}

fn judge(facts: Option<&Facts>) -> Finding {
    let Some(facts) = facts else {
        return Finding::Broken("the key in /persist/ssh/authorized_keys was refused".into());
    };
    let mut faults = Vec::new();
    if !facts.home_key_accepted {
        faults.push("the key in ~/.ssh/authorized_keys was refused".to_string());
    }
    if facts.removed_key_accepted {
        faults.push("the key still logs in after its file was removed".to_string());
    }
    Finding::from_faults(
        &faults,
        "both keys log in; the second is refused once its file is removed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    const GOOD: Facts = Facts {
        home_key_accepted: true,
        removed_key_accepted: false,
    };

    #[test]
    fn kept_when_both_keys_log_in() {
        assert_kept(
            judge(Some(&GOOD)),
            "both keys log in; the second is refused once its file is removed",
        );
    }

    #[test]
    fn a_refused_key_on_persist_breaks_it() {
        let evidence = "the key in /persist/ssh/authorized_keys was refused";
        assert_eq!(judge(None), Finding::Broken(evidence.to_string()));
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &GOOD,
            |facts| judge(Some(facts)),
            &[
                (
                    |facts| facts.home_key_accepted = false,
                    "the key in ~/.ssh/authorized_keys was refused",
                ),
                (
                    |facts| facts.removed_key_accepted = true,
                    "the key still logs in after its file was removed",
                ),
            ],
        );
    }
}
