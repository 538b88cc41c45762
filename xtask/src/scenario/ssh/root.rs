//! `ssh.root-refused`

use anyhow::Result;
use vm::ssh::Method;

use crate::scenario::{Context, Finding};

/// A client's attempt to log in as root, with a key that is in root's own authorized_keys.
#[derive(Debug, Clone)]
struct Facts {
    accepted: bool,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let server = cx.machine.server()?;
    let owner = cx.machine.login().key.clone();
    // Root has the key too, so that only the refusal of root can keep the client out.
    cx.machine.succeed(&format!(
        "install -d -m 700 /root/.ssh && echo '{}' >> /root/.ssh/authorized_keys",
        owner.public
    ))?;
    let attempt = server.attempt("root", &Method::PublicKey(&owner), &cx.folder);
    cx.machine.succeed("rm -f /root/.ssh/authorized_keys")?;
    Ok(Facts {
        accepted: attempt?.accepted,
    })
}

fn judge(facts: &Facts) -> Finding {
    if facts.accepted {
        Finding::Broken("root logged in with the owner's key".into())
    } else {
        Finding::Kept("root is refused with a key in /root/.ssh/authorized_keys".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    const GOOD: Facts = Facts { accepted: false };

    #[test]
    fn only_a_login_as_root_breaks_it() {
        assert_kept(
            judge(&GOOD),
            "root is refused with a key in /root/.ssh/authorized_keys",
        );
        assert_each_breaks(
            &GOOD,
            judge,
            &[(
                |facts| facts.accepted = true,
                "root logged in with the owner's key",
            )],
        );
    }
}
