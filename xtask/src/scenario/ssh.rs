//! Who gets in, and how. Every refusal is tried for real, by a client that offers exactly that method.

use anyhow::Result;

use super::{Context, Finding};
use vm::ssh::{Key, Method};

/// A password that the account really has while its refusal is tried.
const PASSWORD: &str = "correct-horse-7";

/// What may be offered (OpenSSH's names). Left out: SHA-1, NIST curves, finite-field groups, CBC and CTR modes, MACs
/// that authenticate the plaintext.
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

/// `ssh.key-accepted`
pub fn key_accepted(cx: &mut Context) -> Result<Finding> {
    let server = cx.machine.server()?;
    let user = server.user.clone();
    let mut faults = Vec::new();
    if !cx.owner_gets_in(&server)? {
        // Without it there is no root shell to go on with.
        return Ok(Finding::Broken(
            "the key in /persist/ssh/authorized_keys was refused".into(),
        ));
    }
    let second = Key::generate(&cx.folder, "second")?;
    let home = format!("~{user}/.ssh");
    cx.machine.succeed(&format!(
        "install -d -m 700 -o {user} {home} && echo '{}' > {home}/authorized_keys && chown {user} {home}/authorized_keys",
        second.public
    ))?;
    let in_home = server.attempt(&user, &Method::PublicKey(&second), &cx.folder)?;
    if !in_home.accepted {
        faults.push("the key in ~/.ssh/authorized_keys was refused".to_string());
    }
    cx.machine.succeed(&format!("rm {home}/authorized_keys"))?;
    let gone = server.attempt(&user, &Method::PublicKey(&second), &cx.folder)?;
    if gone.accepted {
        faults.push("the key still logs in after it was taken away".to_string());
    }
    Ok(Finding::from_faults(
        &faults,
        "both keys log in; the second no longer once its file is gone",
    ))
}

/// `ssh.unknown-key-refused`
pub fn unknown_key_refused(cx: &mut Context) -> Result<Finding> {
    let server = cx.machine.server()?;
    let attempt = server.attempt(
        &server.user,
        &Method::PublicKey(cx.unauthorized_key),
        &cx.folder,
    )?;
    let asked = attempt.log.contains("Offering public key");
    Ok(match (attempt.accepted, asked) {
        (true, _) => Finding::Broken("a stranger's key logged in".into()),
        (false, false) => {
            Finding::Broken("the client never got to offer the key, so nothing was refused".into())
        }
        (false, true) => Finding::Kept("offered and refused".into()),
    })
}

/// `ssh.password-refused`
pub fn password_refused(cx: &mut Context) -> Result<Finding> {
    refused(cx, "password", PASSWORD, Method::Password(PASSWORD))
}

/// `ssh.keyboard-interactive-refused`
pub fn keyboard_interactive_refused(cx: &mut Context) -> Result<Finding> {
    refused(
        cx,
        "keyboard-interactive",
        PASSWORD,
        Method::KeyboardInteractive(PASSWORD),
    )
}

/// `ssh.empty-password-refused`
pub fn empty_password_refused(cx: &mut Context) -> Result<Finding> {
    // PAM has rules of its own for empty passwords, so both ways of asking for one are tried.
    refused(cx, "an empty password", "", Method::AnyPassword(""))
}

/// Gives the account `password`, tries `method` with it, and locks the account again.
///
/// A server that offers the method breaks the promise even when this one password did not get through.
fn refused(cx: &mut Context, name: &str, password: &str, method: Method) -> Result<Finding> {
    let server = cx.machine.server()?;
    let user = &server.user;
    cx.machine.succeed(&match password {
        "" => format!("passwd -d {user}"),
        _ => format!("echo '{user}:{password}' | chpasswd"),
    })?;
    let attempt = server.attempt(user, &method, &cx.folder);
    cx.machine.succeed(&format!("usermod -p '!' {user}"))?;
    let attempt = attempt?;
    // An empty password is a matter of its own only where passwords are accepted at all.
    let offers = attempt.offered.iter().any(|offered| offered == name);
    Ok(if attempt.accepted {
        Finding::Broken(format!("logged in by {name}"))
    } else if offers && !password.is_empty() {
        Finding::Broken(format!("the server offers {name}"))
    } else {
        Finding::Kept(format!(
            "refused; the server offers {}",
            attempt.offered.join(", ")
        ))
    })
}

/// `ssh.root-refused`
pub fn root_refused(cx: &mut Context) -> Result<Finding> {
    let server = cx.machine.server()?;
    let owner = cx.machine.login().key.clone();
    // The key is root's own as well, so that nothing but the refusal of root can keep it out.
    cx.machine.succeed(&format!(
        "install -d -m 700 /root/.ssh && echo '{}' >> /root/.ssh/authorized_keys",
        owner.public
    ))?;
    let attempt = server.attempt("root", &Method::PublicKey(&owner), &cx.folder);
    cx.machine.succeed("rm -f /root/.ssh/authorized_keys")?;
    Ok(if attempt?.accepted {
        Finding::Broken("root logged in with the owner's key".into())
    } else {
        Finding::Kept("root with a key in /root/.ssh/authorized_keys is refused".into())
    })
}

/// `ssh.modern-crypto`
pub fn modern_crypto(cx: &mut Context) -> Result<Finding> {
    let lists = cx.machine.server()?.proposal()?;
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    let kex: Vec<&str> = [KEX, KEX_SIGNALS].concat();
    let allowed: [(&str, &[&str]); 5] = [
        ("KEX algorithms", &kex),
        ("ciphers ctos", CIPHERS),
        ("ciphers stoc", CIPHERS),
        ("MACs ctos", MACS),
        ("MACs stoc", MACS),
    ];
    for (list, names) in allowed {
        let Some((_, offered)) = lists.iter().find(|(name, _)| name == list) else {
            faults.push(format!("no list of {list}"));
            continue;
        };
        faults.extend(
            offered
                .iter()
                .filter(|name| !names.contains(&name.as_str()))
                .map(|name| format!("{list}: {name}")),
        );
        seen.push(format!(
            "{} {list}",
            offered
                .iter()
                .filter(|name| !KEX_SIGNALS.contains(&name.as_str()))
                .count()
        ));
    }
    Ok(Finding::from_faults(&faults, seen.join(", ")))
}
