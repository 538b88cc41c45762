//! `ssh.password-refused`, `ssh.keyboard-interactive-refused`, `ssh.empty-password-refused`

use anyhow::Result;
use vm::ssh::Method;

use crate::scenario::{Context, Finding};

/// The account has this password during the attempt.
const PASSWORD: &str = "correct-horse-7";

/// A client's attempt to log in with a password that is right.
#[derive(Debug, Clone)]
struct Facts {
    accepted: bool,
    /// The methods that the server offered, in SSH's names.
    offered: Vec<String>,
}

pub fn check_password(cx: &mut Context) -> Result<Finding> {
    let facts = gather(cx, PASSWORD, &Method::Password(PASSWORD))?;
    Ok(judge_method(&facts, "password"))
}

pub fn check_keyboard_interactive(cx: &mut Context) -> Result<Finding> {
    let facts = gather(cx, PASSWORD, &Method::KeyboardInteractive(PASSWORD))?;
    Ok(judge_method(&facts, "keyboard-interactive"))
}

pub fn check_empty_password(cx: &mut Context) -> Result<Finding> {
    // PAM has separate rules for empty passwords, so the client tries both methods.
    let facts = gather(cx, "", &Method::AnyPassword(""))?;
    Ok(judge_empty(&facts))
}

/// Gives the account `password`, tries `method`, and locks the account again.
fn gather(cx: &mut Context, password: &str, method: &Method) -> Result<Facts> {
    let server = cx.machine.server()?;
    let user = &server.user;
    cx.machine.succeed(&match password {
        "" => format!("passwd -d {user}"),
        _ => format!("echo '{user}:{password}' | chpasswd"),
    })?;
    let attempt = server.attempt(user, method, &cx.folder);
    cx.machine.succeed(&format!("usermod -p '!' {user}"))?;
    let attempt = attempt?;
    Ok(Facts {
        accepted: attempt.accepted,
        offered: attempt.offered,
    })
}

/// A server that offers `method` breaks the promise even when it refused this one password.
fn judge_method(facts: &Facts, method: &str) -> Finding {
    if facts.accepted {
        Finding::Broken(format!("logged in by {method}"))
    } else if facts.offered.iter().any(|offered| offered == method) {
        Finding::Broken(format!("the server offers {method}"))
    } else {
        refused(facts)
    }
}

/// A server may offer the methods here; that breaks the promises about them.
fn judge_empty(facts: &Facts) -> Finding {
    if facts.accepted {
        Finding::Broken("logged in by an empty password".to_string())
    } else {
        refused(facts)
    }
}

fn refused(facts: &Facts) -> Finding {
    let offered = facts.offered.join(", ");
    Finding::Kept(format!("refused; the server offers {offered}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            accepted: false,
            offered: vec!["publickey".to_string()],
        }
    }

    #[test]
    fn kept_when_only_keys_are_offered() {
        let evidence = "refused; the server offers publickey";
        assert_kept(judge_method(&good(), "password"), evidence);
        assert_kept(judge_empty(&good()), evidence);
    }

    #[test]
    fn a_login_breaks_it() {
        let login: fn(&mut Facts) = |facts| facts.accepted = true;
        assert_each_breaks(
            &good(),
            |facts| judge_method(facts, "password"),
            &[(login, "logged in by password")],
        );
        assert_each_breaks(
            &good(),
            judge_empty,
            &[(login, "logged in by an empty password")],
        );
    }

    #[test]
    fn an_offered_method_breaks_its_own_promise_only() {
        let facts = Facts {
            offered: vec!["publickey".to_string(), "password".to_string()],
            ..good()
        };
        assert_eq!(
            judge_method(&facts, "password"),
            Finding::Broken("the server offers password".to_string())
        );
        let evidence = "refused; the server offers publickey, password";
        assert_kept(judge_method(&facts, "keyboard-interactive"), evidence);
        assert_kept(judge_empty(&facts), evidence);
    }
}
