//! `network.from-esp`

use anyhow::Result;

use crate::disk_fixtures::CONNECTION;
use crate::scenario::{Context, Finding};

/// Where NetworkManager keeps its connections.
const FOLDER: &str = "/etc/NetworkManager/system-connections";

#[derive(Debug, Clone)]
struct Facts {
    /// The names of the files in [`FOLDER`].
    files: String,
    /// The mode and owner of Home.nmconnection.
    permissions: String,
    /// Its content.
    content: String,
    /// The journal says that the file of noise was refused.
    noise_refused: bool,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let [files, permissions, content, noise] = cx.exec([
        &format!("ls {FOLDER}"),
        &format!("stat -c '%a %U' {FOLDER}/Home.nmconnection"),
        &format!("cat {FOLDER}/Home.nmconnection"),
        "journalctl -b --no-pager -o cat -u esp-import | grep 'none.nmconnection.*refused'",
    ])?;
    Ok(Facts {
        files: files.text,
        permissions: permissions.text,
        content: content.text,
        noise_refused: noise.ok(),
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    if facts.files != "Home.nmconnection" {
        faults.push(format!("{FOLDER} has {:?}", facts.files));
    }
    if facts.permissions != "600 root" {
        faults.push(format!("NetworkManager ignores it: {}", facts.permissions));
    }
    // The file on the ESP has the line ends of Windows.
    if facts.content.trim() != CONNECTION.replace('\r', "").trim() {
        faults.push(format!("its content is {:?}", facts.content));
    }
    if !facts.noise_refused {
        faults.push("the journal does not say that a file of noise was refused".to_string());
    }
    let kept = format!("Home.nmconnection is in {FOLDER}, readable by root only");
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            files: "Home.nmconnection".to_string(),
            permissions: "600 root".to_string(),
            content: CONNECTION.replace('\r', ""),
            noise_refused: true,
        }
    }

    #[test]
    fn kept_when_the_connection_is_imported() {
        assert_kept(
            judge(&good()),
            "Home.nmconnection is in /etc/NetworkManager/system-connections, readable by root only",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.files += "\nnone.nmconnection",
                    "/etc/NetworkManager/system-connections has \"Home.nmconnection\\nnone.nmconnection\"",
                ),
                (
                    |facts| facts.permissions = "644 root".to_string(),
                    "NetworkManager ignores it: 644 root",
                ),
                (
                    |facts| facts.content = "[wifi]\r".to_string(),
                    "its content is \"[wifi]\\r\"",
                ),
                (
                    |facts| facts.noise_refused = false,
                    "the journal does not say that a file of noise was refused",
                ),
            ],
        );
    }
}
