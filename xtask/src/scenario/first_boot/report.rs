//! `stick.reports-files`

use std::time::Duration;

use anyhow::Result;

use crate::disk_fixtures::{FOREIGN, ODD_CONNECTION};
use crate::scenario::{Context, Finding, login_banner};

/// Where the check mounts the partition.
const MOUNT: &str = "mkdir -p /run/looked && mount -t vfat /dev/ollamalive/ESP /run/looked";
/// The report must not depend on what the machine remembers of the last one.
const AGAIN: &str = "rm -f /run/ollamalive/report; systemctl start --wait esp-report";
/// For the reports, each of which may wait for an address and for the state.
const REPORTS: Duration = Duration::from_secs(400);
/// The date that the check gives the report.
const OLD: &str = "2001-01-01";

#[derive(Debug, Clone)]
struct Facts {
    /// REPORT.txt.
    report: String,
    /// The machine's addresses, as `hostname` or `ip` print them.
    address: String,
    /// The fingerprint of the host key.
    fingerprint: String,
    /// The login banner.
    banner: String,
    /// The report's date after one more run in which nothing had changed.
    date: String,
    /// What the machine says where the partition is write-protected.
    write_protected: String,
    /// What it says where no byte is free there.
    full: String,
    /// The report's first line after both.
    afterwards: String,
    /// The units that failed.
    failed: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let banner = login_banner(&cx.machine.login().user);
    // A new notice changes the report, so that there is something to write.
    let new = "id=$(date +%s%N); mkdir -p /run/ollamalive/notices; echo $id > /run/ollamalive/notices/zz-test; \
               for turn in $(seq 60); do grep -qs $id /run/ollamalive/status.txt && break; sleep 1; done";
    // The state is part of the report.
    let settled = "for turn in $(seq 60); do grep -qsE 'is (not )?serving' /run/ollamalive/status.txt && break; sleep 2; done";
    let said = "cat /run/ollamalive/notices/report";
    let [
        report,
        address,
        fingerprint,
        banner,
        date,
        write_protected,
        full,
        afterwards,
        failed,
    ] = cx
        .exec_within([
            &format!("{settled}; {AGAIN}; {MOUNT}; tr -d '\\r' < /run/looked/ollamalive/REPORT.txt; umount /run/looked"),
            "ip -o -4 address show scope global | grep -v docker | sed 's/.* inet //; s,/.*,,' | head -n 1",
            "ssh-keygen -l -f /persist/ssh/ssh_host_ed25519_key.pub | cut -d ' ' -f 2",
            &banner,
            // A server without its image is now starting, now not serving: that is a change.
            &format!(
                "systemctl stop ollamalive-health; {AGAIN}; {MOUNT}; touch -d {OLD} /run/looked/ollamalive/REPORT.txt; umount /run/looked; {AGAIN}; \
                 {MOUNT}; date -I -r /run/looked/ollamalive/REPORT.txt; umount /run/looked; systemctl start --no-block ollamalive-health"
            ),
            &format!(
                "{new}; blockdev --setro \"$(readlink -f /dev/ollamalive/ESP)\"; {AGAIN}; {said}; \
                 blockdev --setrw \"$(readlink -f /dev/ollamalive/ESP)\""
            ),
            &format!(
                "{new}; {MOUNT}; dd if=/dev/zero of=/run/looked/filler bs=1M 2>/dev/null; umount /run/looked; {AGAIN}; \
                 {said}; {MOUNT}; rm /run/looked/filler; umount /run/looked"
            ),
            &format!(
                "rm -f /run/ollamalive/notices/zz-test; {AGAIN}; {MOUNT}; head -n 1 /run/looked/ollamalive/REPORT.txt; \
                 umount /run/looked; cat /run/ollamalive/notices/report 2>/dev/null"
            ),
            "systemctl --failed --plain --no-legend | grep esp-",
        ], REPORTS)?
        .map(|output| output.text);
    Ok(Facts {
        report,
        address,
        fingerprint,
        banner,
        date,
        write_protected,
        full,
        afterwards,
        failed,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    let odd = format!("network/{}", ODD_CONNECTION.0);
    for (file, words) in [
        ("authorized_keys", "line 6 taken"),
        ("authorized_keys", "line 2 refused"),
        ("authorized_keys.txt", "taken"),
        ("id_ed25519", "a PRIVATE key"),
        (FOREIGN, "NetworkManager"),
        ("._authorized_keys", "made by another computer"),
        ("network/Home.nmconnection", "taken"),
        ("network/Home.nmconnection", "autoconnect=false"),
        (odd.as_str(), "taken"),
        ("network/none.nmconnection", "not a text"),
    ] {
        let named = format!("  ollamalive/{file}: ");
        let mut lines = facts.report.lines();
        if !lines.any(|line| line.starts_with(&named) && line.contains(words)) {
            faults.push(format!("REPORT.txt does not say {words:?} of {file}"));
        }
    }
    for (what, words) in [
        ("address", &facts.address),
        ("fingerprint", &facts.fingerprint),
    ] {
        if words.is_empty() || !facts.report.contains(words.as_str()) {
            faults.push(format!("REPORT.txt does not have the {what} {words:?}"));
        }
    }
    for name in [FOREIGN, "none.nmconnection", "id_ed25519"] {
        if !facts.banner.contains(name) {
            faults.push(format!("the login banner does not name {name}"));
        }
    }
    if facts.date != OLD {
        faults.push(format!(
            "it was written on {:?} although nothing had changed",
            facts.date
        ));
    }
    for (state, said, words) in [
        (
            "write-protected",
            &facts.write_protected,
            "the stick is write-protected",
        ),
        ("full", &facts.full, "is full or damaged"),
    ] {
        if !said.contains(words) {
            faults.push(format!("of a partition that is {state} it says {said:?}"));
        }
    }
    if facts.afterwards.lines().count() != 1 {
        faults.push(format!("afterwards there is {:?}", facts.afterwards));
    }
    if !facts.failed.is_empty() {
        faults.push(format!("failed: {}", facts.failed));
    }
    Finding::from_faults(
        &faults,
        "each file is named in REPORT.txt, with the address and the fingerprint; not written without a change; \
         write-protected and full are said",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        let report = "OllamaLive\nAddress  10.0.2.15\nSSH      port 22, 256 SHA256:abc\n\
                      \x20 ollamalive/authorized_keys: line 6 taken: 256\n\
                      \x20 ollamalive/authorized_keys: line 2 refused, not a key\n\
                      \x20 ollamalive/authorized_keys.txt: line 1 taken: 256\n\
                      \x20 ollamalive/id_ed25519: a PRIVATE key\n\
                      \x20 ollamalive/wpa_supplicant.conf: this machine uses NetworkManager\n\
                      \x20 ollamalive/._authorized_keys: made by another computer\n\
                      \x20 ollamalive/network/Home.nmconnection: taken\n\
                      \x20 ollamalive/network/Home.nmconnection: delete the line autoconnect=false\n\
                      \x20 ollamalive/network/[5G] home.nmconnection: taken\n\
                      \x20 ollamalive/network/none.nmconnection: not a text";
        Facts {
            report: report.to_string(),
            address: "10.0.2.15".to_string(),
            fingerprint: "SHA256:abc".to_string(),
            banner: "wpa_supplicant.conf, none.nmconnection, id_ed25519".to_string(),
            date: OLD.to_string(),
            write_protected: "not up to date: the stick is write-protected.".to_string(),
            full: "not up to date: it is full or damaged.".to_string(),
            afterwards: "OllamaLive".to_string(),
            failed: String::new(),
        }
    }

    #[test]
    fn kept_when_each_file_is_named() {
        assert_kept(
            judge(&good()),
            "each file is named in REPORT.txt, with the address and the fingerprint; not written without a change; \
             write-protected and full are said",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.report = facts.report.replace("wpa_", ""),
                    "REPORT.txt does not say \"NetworkManager\" of wpa_supplicant.conf",
                ),
                (
                    |facts| facts.address.clear(),
                    "REPORT.txt does not have the address \"\"",
                ),
                (
                    |facts| facts.fingerprint += "x",
                    "REPORT.txt does not have the fingerprint \"SHA256:abcx\"",
                ),
                (
                    |facts| facts.banner = facts.banner.replace("none.", ""),
                    "the login banner does not name none.nmconnection",
                ),
                (
                    |facts| facts.date = "2026-01-01".to_string(),
                    "it was written on \"2026-01-01\" although nothing had changed",
                ),
                (
                    |facts| facts.write_protected.clear(),
                    "of a partition that is write-protected it says \"\"",
                ),
                (
                    |facts| facts.full.clear(),
                    "of a partition that is full it says \"\"",
                ),
                (
                    |facts| facts.afterwards += "\nnot up to date",
                    "afterwards there is \"OllamaLive\\nnot up to date\"",
                ),
                (
                    |facts| facts.failed = "esp-report.service failed".to_string(),
                    "failed: esp-report.service failed",
                ),
            ],
        );
    }
}
