//! `fault.no-network`

use anyhow::{Result, ensure};
use vm::SETTLE_DEADLINE;

use super::{LOOK, connect};
use crate::scenario::{Context, Finding, systemd};

#[derive(Debug, Clone)]
struct Facts {
    /// The system's state in systemd's words, as the console printed it, without a cable.
    state: String,
    /// Failed units, one per line.
    failed: String,
    /// Why SSH did not answer once the cable was plugged in.
    unreachable: Option<String>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    cx.require_no_cable()?;
    let console = cx.machine.console()?;
    let state = console.run("systemctl is-system-running --wait", SETTLE_DEADLINE)?;
    let failed = console.run(systemd::FAILED_UNITS, LOOK)?;
    let addresses = console.run("ip -4 -o address show scope global | grep -v docker", LOOK)?;
    ensure!(addresses.is_empty(), "it has an address: {addresses}");
    Ok(Facts {
        state,
        failed,
        unreachable: connect(cx)?.err(),
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults: Vec<String> = systemd::failed(&facts.failed).into_iter().collect();
    if !facts.state.contains("running") {
        faults.push(format!("the system is {}", facts.state));
    }
    if let Some(why) = &facts.unreachable {
        faults.push(format!(
            "the cable is plugged in, and it is not reachable: {why}"
        ));
    }
    Finding::from_faults(
        &faults,
        "boots without a failed unit, and is reachable once the cable is plugged in",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            state: "running".to_string(),
            failed: String::new(),
            unreachable: None,
        }
    }

    #[test]
    fn kept_when_it_waits_for_the_cable() {
        assert_kept(
            judge(&good()),
            "boots without a failed unit, and is reachable once the cable is plugged in",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.failed = "wait-for-cable.service\n".to_string(),
                    "failed: wait-for-cable.service",
                ),
                (
                    |facts| facts.state = "degraded".to_string(),
                    "the system is degraded",
                ),
                (
                    |facts| facts.unreachable = Some("SSH did not answer".to_string()),
                    "the cable is plugged in, and it is not reachable: SSH did not answer",
                ),
            ],
        );
    }
}
