//! Public SSH keys, judged as modules/esp-keys.sh judges them.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Error, Result};

use super::options;
use crate::command;
use crate::monitor::Monitor;

const ASK: Duration = Duration::from_secs(20);
/// The first words of SSH2's format, which PuTTY's "Save public key" writes.
pub const SSH2: &str = "---- BEGIN SSH2 PUBLIC KEY";
const CERTIFICATE: &str = "-cert-v01@openssh.com";
const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
];
const DSA: &str = "ssh-dss";
/// sshd sets no limit; no key is this long.
const LONGEST: usize = 16_384;

/// OpenSSH's and OpenSSL's formats, PuTTY's and SSH2's; in UTF-16, too.
pub fn is_private(bytes: &[u8]) -> bool {
    let letters: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&letters).lines().any(|line| {
        line.contains("PuTTY-User-Key-File-")
            || line.split_once("BEGIN ").is_some_and(|(before, rest)| {
                before.contains("----") && rest.contains("PRIVATE KEY")
            })
    })
}

/// The type, the key and the comment in `line`, if sshd would take what is before them; else, why not.
fn parts(line: &str) -> Result<(&str, &str, &str), String> {
    let first = |text: &str| text.split([' ', '\t']).next().unwrap_or_default().len();
    let is_type = |word: &str| TYPES.contains(&word) || word == DSA || word.ends_with(CERTIFICATE);
    let (options, rest) = if is_type(&line[..first(line)]) {
        ("", line)
    } else {
        options::split(line)
    };
    let (kind, rest) = rest.split_at(first(rest));
    let rest = rest.trim_start_matches([' ', '\t']);
    let (blob, comment) = rest.split_at(first(rest));
    if line.len() > LONGEST {
        return Err("too long for a key".to_string());
    }
    if kind.ends_with(CERTIFICATE) {
        return Err("a certificate, which does not log in from here: give the key itself, the file .pub without -cert".to_string());
    }
    if line.starts_with("AAAA") {
        return Err(
            "the beginning of the key is missing: it starts with its type, such as ssh-ed25519"
                .to_string(),
        );
    }
    if !is_type(kind) {
        return Err("not a public SSH key: give a file like ~/.ssh/id_ed25519.pub".to_string());
    }
    if let Some(network) = options::wrong_network(options) {
        return Err(format!(
            "its option from= lets nobody in, because {network} is not a network (one is 192.168.1.0/24, not 192.168.1.5/24)"
        ));
    }
    if !options.is_empty() && !options::are_known(options) {
        return Err(format!(
            "{options:?} before the key is nothing that sshd knows: the line starts with the key's type ({kind}). If it is \
             from known_hosts, it is a server's key: give your own, the content of id_ed25519.pub"
        ));
    }
    if kind == DSA {
        return Err("key too weak: DSA. Make one with `ssh-keygen -t ed25519`".to_string());
    }
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    if blob.is_empty() || !blob.bytes().all(base64) {
        return Err(cut_off());
    }
    Ok((kind, blob, comment.trim()))
}

fn cut_off() -> String {
    "not a public SSH key: it is cut off or changed (copy the whole line of the file .pub)"
        .to_string()
}

/// ssh-keygen's description of a line of authorized_keys, if sshd would take it.
pub fn fingerprint(line: &str, place: &str, monitor: &dyn Monitor) -> Result<String> {
    let refuse = |why: String| Error::msg(format!("{place}: {why}"));
    let (kind, blob, comment) = parts(line).map_err(refuse)?;
    let mut file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    writeln!(file, "{kind} {blob} {comment}").context("cannot write a temporary file")?;
    let mut ask = command::command("ssh-keygen");
    ask.args(["-l", "-f"]).arg(file.path());
    let answer = command::finish(ask, "reading a key's fingerprint", ASK, monitor)?;
    let facts = answer.stdout.trim().to_string();
    if !answer.status.success() || facts.is_empty() {
        return Err(refuse(cut_off()));
    }
    let bits: u32 = facts
        .split(' ')
        .next()
        .and_then(|bits| bits.parse().ok())
        .unwrap_or(0);
    if facts.ends_with("(RSA)") && bits < 2048 {
        return Err(refuse(format!(
            "the machine refuses weak keys such as this one ({facts}): make one with `ssh-keygen -t ed25519`"
        )));
    }
    Ok(facts)
}
