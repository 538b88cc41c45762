//! `network.from-esp`

use std::time::Duration;

use anyhow::Result;

use crate::disk_fixtures::{CONNECTION, ODD_CONNECTION};
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
    /// The content of [`ODD_CONNECTION`].
    odd: String,
    /// The files in [`FOLDER`] after [`ODD_CONNECTION`] was removed and the import ran again.
    after_removal: String,
    /// The journal says that the file of noise was refused.
    noise_refused: bool,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

/// For one more import, which asks NetworkManager about each connection, under emulation.
pub const IMPORT: Duration = Duration::from_secs(300);

fn gather(cx: &mut Context) -> Result<Facts> {
    let odd = format!("{FOLDER}/{}", ODD_CONNECTION.0);
    let [files, permissions, content, odd, after_removal, noise] = cx.exec_within([
        &format!("ls {FOLDER}"),
        &format!("stat -c '%a %U' {FOLDER}/Home.nmconnection"),
        &format!("cat {FOLDER}/Home.nmconnection"),
        &format!("cat '{odd}'"),
        &format!(
            "cp -a '{odd}' /run/kept-connection && rm '{odd}' && systemctl restart esp-import; ls {FOLDER}; \
             cp -a /run/kept-connection '{odd}'"
        ),
        "journalctl -b --no-pager -o cat -u esp-import | grep 'none.nmconnection.*not a text'",
    ], IMPORT)?;
    Ok(Facts {
        files: files.text,
        permissions: permissions.text,
        content: content.text,
        odd: odd.text,
        after_removal: after_removal.text,
        noise_refused: noise.ok(),
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    let (name, odd) = ODD_CONNECTION;
    let mut files: Vec<&str> = facts.files.lines().collect();
    files.sort_unstable();
    if files != ["Home.nmconnection", name] {
        faults.push(format!("{FOLDER} has {files:?}"));
    }
    if facts.odd.trim() != odd.trim() {
        faults.push(format!("the content of {name} is {:?}", facts.odd));
    }
    if facts.after_removal != "Home.nmconnection" {
        faults.push(format!(
            "after {name} was removed there is {:?}",
            facts.after_removal
        ));
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
    let kept = format!("Home.nmconnection and {name} are in {FOLDER}, readable by root only");
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            files: "Home.nmconnection\n[5G] home.nmconnection".to_string(),
            permissions: "600 root".to_string(),
            content: CONNECTION.replace('\r', ""),
            odd: ODD_CONNECTION.1.to_string(),
            after_removal: "Home.nmconnection".to_string(),
            noise_refused: true,
        }
    }

    #[test]
    fn kept_when_the_connection_is_imported() {
        assert_kept(
            judge(&good()),
            "Home.nmconnection and [5G] home.nmconnection are in /etc/NetworkManager/system-connections, readable by root only",
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
                    "/etc/NetworkManager/system-connections has [\"Home.nmconnection\", \"[5G] home.nmconnection\", \"none.nmconnection\"]",
                ),
                (
                    |facts| facts.odd = "[\0c\0".to_string(),
                    "the content of [5G] home.nmconnection is \"[\\0c\\0\"",
                ),
                (
                    |facts| facts.after_removal.clone_from(&facts.files),
                    "after [5G] home.nmconnection was removed there is \"Home.nmconnection\\n[5G] home.nmconnection\"",
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
