//! `fault.drive-errors`

use anyhow::{Result, ensure};

use super::Reach;
use crate::disk_fixtures::UNREADABLE;
use crate::scenario::{Context, Finding, systemd};

#[derive(Debug, Clone)]
struct Facts {
    /// The error message for the file on the bad sector.
    error: String,
    /// The content of another file on the drive: `readable`, or an error message.
    other_file: String,
    /// Failed units, one per line.
    failed: String,
    reach: Reach,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let folder = &cx.contract.models.mount_point;
    let [error, other_file, failed] = cx
        .exec([
            &format!("cat {folder}/{UNREADABLE} 2>&1 >/dev/null"),
            &format!("cat {folder}/good"),
            systemd::FAILED_UNITS,
        ])?
        .map(|output| output.text);
    ensure!(
        error.contains("Input/output error"),
        "the bad sector was read: {error:?}"
    );
    Ok(Facts {
        error,
        other_file,
        failed,
        reach: Reach::gather(cx)?,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = facts.reach.faults();
    if facts.other_file != "readable" {
        faults.push(format!(
            "another file on the drive is lost: {}",
            facts.other_file
        ));
    }
    faults.extend(systemd::failed(&facts.failed));
    let kept = format!(
        "{:?} for one file; the others, SSH and Ollama are there",
        facts.error
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::super::reach::tests::reachable;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            error: "Input/output error".to_string(),
            other_file: "readable".to_string(),
            failed: String::new(),
            reach: reachable(),
        }
    }

    #[test]
    fn kept_when_only_one_file_is_lost() {
        assert_kept(
            judge(&good()),
            "\"Input/output error\" for one file; the others, SSH and Ollama are there",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.other_file = "No such file".to_string(),
                    "another file on the drive is lost: No such file",
                ),
                (
                    |facts| facts.failed = "mnt-models.mount".to_string(),
                    "failed: mnt-models.mount",
                ),
                (
                    |facts| facts.reach.ollama = Err("no answer".to_string()),
                    "Ollama: no answer",
                ),
            ],
        );
    }
}
