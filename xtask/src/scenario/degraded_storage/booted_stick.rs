//! `persist.of-the-booted-stick`

use anyhow::{Context as _, Error, Result};

use crate::disk_fixtures::MARKER;
use crate::scenario::{Context, Finding, network};

/// A machine with two sticks.
#[derive(Debug, Clone)]
struct Facts {
    /// The marker at /persist: `ours` on the stick that the machine was started from.
    marker: String,
    /// The device mounted at /persist.
    device: String,
    /// How many partitions are called PERSIST.
    candidates: String,
    /// The partition table of the other stick is as it was.
    other_unchanged: bool,
    /// Known-bad lines on the console.
    bad_lines: Vec<String>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    network::connect(cx)?.map_err(Error::msg)?;
    let [marker, device, candidates] = cx
        .exec([
            &format!("cat /persist/{MARKER}"),
            "findmnt -no SOURCE --mountpoint /persist",
            "lsblk -nro NAME,PARTLABEL | grep -c PERSIST",
        ])?
        .map(|output| output.text);
    let other_unchanged = cx
        .disks
        .other_tables_are_unchanged()
        .context("the partition table of the other stick could not be read")?;
    Ok(Facts {
        marker,
        device,
        candidates,
        other_unchanged,
        bad_lines: cx.bad_lines()?,
    })
}

fn judge(facts: &Facts) -> Finding {
    let device = &facts.device;
    let mut faults = Vec::new();
    if facts.marker.trim() != "ours" {
        faults.push(format!(
            "/persist is {device}, whose marker says {:?}",
            facts.marker
        ));
    }
    // A machine that takes it for its own makes its PERSIST larger.
    if !facts.other_unchanged {
        faults.push("the partition table of the other stick was changed".to_string());
    }
    faults.extend(facts.bad_lines.iter().cloned());
    if facts.candidates != "2" {
        faults.push(format!(
            "{} partitions are called PERSIST, not 2",
            facts.candidates
        ));
    }
    let kept = format!("{device} of the two is used, the other one is unchanged");
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            marker: "ours\n".to_string(),
            device: "/dev/vda3".to_string(),
            candidates: "2".to_string(),
            other_unchanged: true,
            bad_lines: Vec::new(),
        }
    }

    #[test]
    fn kept_when_the_booted_stick_is_used() {
        assert_kept(
            judge(&good()),
            "/dev/vda3 of the two is used, the other one is unchanged",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.marker = "another's".to_string(),
                    "/persist is /dev/vda3, whose marker says \"another's\"",
                ),
                (
                    |facts| facts.other_unchanged = false,
                    "the partition table of the other stick was changed",
                ),
                (
                    |facts| facts.bad_lines = vec!["I/O error: x".to_string()],
                    "I/O error: x",
                ),
                (
                    |facts| facts.candidates = "1".to_string(),
                    "1 partitions are called PERSIST, not 2",
                ),
            ],
        );
    }
}
