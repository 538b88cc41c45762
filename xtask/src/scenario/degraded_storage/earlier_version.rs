//! `update.from-previous`

use anyhow::{Context as _, Result};

use crate::disk_fixtures::MARKER;
use crate::scenario::{Context, Finding};

/// A machine whose PERSIST was made for the first version.
#[derive(Debug, Clone)]
struct Facts {
    /// The marker at /persist: the host key that was made with it.
    marker: String,
    /// The public host key on PERSIST.
    host_key: String,
    /// Its fingerprint.
    fingerprint: String,
    /// The host key that the server shows to a client: type and fingerprint.
    shown: String,
    /// The login banner's notice about PERSIST.
    notice: Option<String>,
    /// Known-bad lines on the console.
    bad_lines: Vec<String>,
    /// How many blocks of 4 KiB the file system has; None where PERSIST is not in use.
    blocks: Option<u64>,
    /// Its partition's size in bytes.
    partition: u64,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let [marker, blocks, host_key, notice, partition] = cx.exec([
        &format!("cat /persist/{MARKER}"),
        "dumpe2fs -h $(findmnt -no SOURCE --mountpoint /persist) 2>/dev/null | sed -n 's/^Block count: *//p'",
        "cat /persist/ssh/ssh_host_ed25519_key.pub",
        "cat /run/ollamalive/notices/persist",
        "lsblk -bno SIZE /dev/ollamalive/PERSIST",
    ])?;
    let server = cx.machine.server()?;
    let shown = server.host_key("ssh-ed25519", &cx.machine.login().key)?;
    let fingerprint = cx
        .machine
        .succeed("ssh-keygen -lf /persist/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2")?;
    Ok(Facts {
        marker: marker.text,
        host_key: host_key.text,
        fingerprint,
        shown,
        notice: notice.ok().then_some(notice.text),
        bad_lines: cx.bad_lines()?,
        blocks: blocks.text.trim().parse().ok(),
        partition: partition
            .text
            .trim()
            .parse()
            .with_context(|| format!("PERSIST's partition has {:?} bytes", partition.text))?,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    // The client shows a fingerprint; the unchanged key file says which key that is of.
    let same_file = facts.marker.trim() == facts.host_key.trim();
    if !same_file || !facts.shown.contains(facts.fingerprint.trim()) {
        faults.push(format!(
            "the machine has another identity: it shows {}, its state had {:?}",
            facts.shown, facts.marker
        ));
    }
    faults.extend(facts.bad_lines.iter().cloned());
    if let Some(notice) = &facts.notice {
        faults.push(format!("the login banner warns: {notice}"));
    }
    let (blocks, partition) = (facts.blocks, facts.partition);
    if blocks != Some(partition / 4096) {
        let blocks = blocks.map_or("no".to_string(), |count| count.to_string());
        faults.push(format!(
            "the file system has {blocks} blocks of 4 KiB, the partition {partition} bytes"
        ));
    }
    let kept = format!(
        "identity, key and home of a PERSIST made by hand are used, which ends with its partition of {} MiB",
        partition >> 20
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            marker: "ssh-ed25519 AAAA".to_string(),
            host_key: "ssh-ed25519 AAAA\n".to_string(),
            fingerprint: "SHA256:f1".to_string(),
            shown: "ssh-ed25519 SHA256:f1".to_string(),
            notice: None,
            bad_lines: Vec::new(),
            blocks: Some(25600),
            partition: (100 << 20) + 512,
        }
    }

    #[test]
    fn kept_when_the_old_state_is_used() {
        assert_kept(
            judge(&good()),
            "identity, key and home of a PERSIST made by hand are used, which ends with its partition of 100 MiB",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.host_key = "ssh-ed25519 BBBB".to_string(),
                    "the machine has another identity: it shows ssh-ed25519 SHA256:f1, its state had \"ssh-ed25519 AAAA\"",
                ),
                (
                    |facts| facts.shown = "ssh-ed25519 SHA256:f2".to_string(),
                    "the machine has another identity: it shows ssh-ed25519 SHA256:f2, its state had \"ssh-ed25519 AAAA\"",
                ),
                (
                    |facts| facts.bad_lines = vec!["crash: x".to_string()],
                    "crash: x",
                ),
                (
                    |facts| facts.notice = Some("PERSIST is full".to_string()),
                    "the login banner warns: PERSIST is full",
                ),
                (
                    |facts| facts.blocks = Some(25088),
                    "the file system has 25088 blocks of 4 KiB, the partition 104858112 bytes",
                ),
            ],
        );
    }
}
