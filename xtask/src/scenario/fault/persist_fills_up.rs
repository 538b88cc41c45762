//! `fault.persist-fills-up`

use anyhow::{Result, ensure};

use super::Reach;
use crate::scenario::{Context, Finding, ollama, systemd};

const BALLAST: &str = "/persist/home/ballast";

#[derive(Debug, Clone)]
struct Facts {
    /// With no block free.
    reach: Reach,
    /// A file's content after it was written once space was freed: `kept`, or an error message.
    written: String,
    /// Failed units, one per line.
    failed: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    ollama::wait_until_up(cx)?;
    // Root may use the blocks that are reserved for root, too: then no block is free.
    let free = cx.machine.succeed(&format!(
        "fallocate -l $(df --output=avail -B1 /persist | tail -n 1) {BALLAST}; cat /dev/zero >> {BALLAST} 2>/dev/null; sync; \
         df --output=avail -B1 /persist | tail -n 1"
    ))?;
    ensure!(
        free.trim() == "0",
        "PERSIST could not be filled: {free} bytes are free"
    );
    let reach = Reach::gather(cx)?;
    let [written, failed] = cx.exec([
        &format!("rm {BALLAST}; sync; echo kept > /persist/home/probe && cat /persist/home/probe"),
        systemd::FAILED_UNITS,
    ])?;
    Ok(Facts {
        reach,
        written: written.text,
        failed: failed.text,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = facts.reach.faults();
    if facts.written != "kept" {
        faults.push(format!(
            "once space is freed, it cannot write: {}",
            facts.written
        ));
    }
    faults.extend(systemd::failed(&facts.failed));
    Finding::from_faults(
        &faults,
        "with no byte free SSH and Ollama answer; once space is freed, writes succeed",
    )
}

#[cfg(test)]
mod tests {
    use super::super::reach::tests::reachable;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            reach: reachable(),
            written: "kept".to_string(),
            failed: String::new(),
        }
    }

    #[test]
    fn kept_when_the_full_machine_can_be_reached() {
        assert_kept(
            judge(&good()),
            "with no byte free SSH and Ollama answer; once space is freed, writes succeed",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.reach.ssh = Err("timeout".to_string()),
                    "the owner does not get in: timeout",
                ),
                (
                    |facts| facts.written = "No space left".to_string(),
                    "once space is freed, it cannot write: No space left",
                ),
                (
                    |facts| facts.failed = "docker.service".to_string(),
                    "failed: docker.service",
                ),
            ],
        );
    }
}
