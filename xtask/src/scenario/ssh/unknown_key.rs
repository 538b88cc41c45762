//! `ssh.unknown-key-refused`

use anyhow::Result;
use vm::ssh::Method;

use crate::scenario::{Context, Finding};

#[derive(Debug, Clone)]
struct Facts {
    /// The client offered the key to the server.
    offered: bool,
    accepted: bool,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let server = cx.machine.server()?;
    let method = Method::PublicKey(cx.unauthorized_key);
    let attempt = server.attempt(&server.user, &method, &cx.folder)?;
    Ok(Facts {
        offered: attempt.log.contains("Offering public key"),
        accepted: attempt.accepted,
    })
}

fn judge(facts: &Facts) -> Finding {
    if facts.accepted {
        Finding::Broken("an unauthorized key logged in".into())
    } else if facts.offered {
        Finding::Kept("offered and refused".into())
    } else {
        Finding::Broken("the client did not get to offer the key, so nothing was refused".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    const GOOD: Facts = Facts {
        offered: true,
        accepted: false,
    };

    #[test]
    fn kept_when_the_key_was_offered_and_refused() {
        assert_kept(judge(&GOOD), "offered and refused");
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &GOOD,
            judge,
            &[
                (
                    |facts| facts.accepted = true,
                    "an unauthorized key logged in",
                ),
                (
                    |facts| facts.offered = false,
                    "the client did not get to offer the key, so nothing was refused",
                ),
            ],
        );
    }
}
