//! Public SSH keys.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Error, Result};

use super::content;
use crate::command;
use crate::monitor::Monitor;

const ASK: Duration = Duration::from_secs(20);
/// What to do where there is no file with a key.
const MAKE_KEY: &str = "give your public key, which `ssh-keygen -t ed25519` makes";

/// The text of a file with keys.
pub fn text(path: &Path) -> Result<String> {
    let text = String::from_utf8(content(path, MAKE_KEY)?).map_err(|_| {
        Error::msg(format!(
            "{} is not text in UTF-8: save it as such",
            path.display()
        ))
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_string())
}

/// OpenSSH's and OpenSSL's formats, and PuTTY's.
pub fn is_private(text: &str) -> bool {
    text.lines().any(|line| {
        (line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY"))
            || line.starts_with("PuTTY-User-Key-File")
    })
}

/// ssh-keygen's description of a line of authorized_keys.
pub fn fingerprint(line: &str, place: &str, monitor: &dyn Monitor) -> Result<String> {
    let mut file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    writeln!(file, "{line}").context("cannot write a temporary file")?;
    let mut ask = command::command("ssh-keygen");
    ask.args(["-l", "-f"]).arg(file.path());
    let answer = command::finish(ask, "reading a key's fingerprint", ASK, monitor)?;
    let facts = answer.stdout.trim().to_string();
    if !answer.status.success() || facts.is_empty() {
        return Err(Error::msg(format!(
            "{place}: not a public SSH key: give a file like ~/.ssh/id_ed25519.pub"
        )));
    }
    let bits: u32 = facts
        .split(' ')
        .next()
        .and_then(|bits| bits.parse().ok())
        .unwrap_or(0);
    if facts.ends_with("(DSA)") || (facts.ends_with("(RSA)") && bits < 2048) {
        return Err(Error::msg(format!(
            "{place}: the machine refuses weak keys such as this one ({facts}): make one with `ssh-keygen -t ed25519`"
        )));
    }
    Ok(facts)
}
