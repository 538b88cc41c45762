//! `boot.reaches-target`

use std::time::Instant;

use anyhow::Result;

use crate::scenario::{Context, Finding, one_line, systemd};

/// The machine once the last job of its boot is done.
#[derive(Debug, Clone)]
struct Facts {
    /// The system's state in systemd's words, such as `running` or `degraded`.
    state: String,
    failed: Vec<FailedUnit>,
    /// `Id=` and `NRestarts=` of every service, as systemctl prints them.
    restarts: String,
    /// The state of multi-user.target.
    target: String,
    /// Lines of the journal about ordering cycles.
    cycles: String,
    /// Known-bad lines on the console.
    bad_lines: Vec<String>,
    /// Seconds from power on.
    login: f64,
}

#[derive(Debug, Clone)]
struct FailedUnit {
    name: String,
    /// The last lines of its journal.
    journal: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let start = Instant::now();
    let state = cx.machine.settle()?.text;
    cx.machine.settled(start.elapsed());
    let [failed, restarts, target, cycles] = cx.exec([
        systemd::FAILED_UNITS,
        "systemctl show '*.service' --property=Id,NRestarts",
        "systemctl is-active multi-user.target",
        "journalctl -b --no-pager -o cat --grep 'ordering cycle' | head -3",
    ])?;
    let failed = failed
        .text
        .split_whitespace()
        .map(|unit| {
            let command = format!("journalctl -b --no-pager -o cat -u '{unit}' | tail -4");
            let [journal] = cx.exec([&command])?;
            Ok(FailedUnit {
                name: unit.to_string(),
                journal: journal.text,
            })
        })
        .collect::<Result<_>>()?;
    Ok(Facts {
        state,
        failed,
        restarts: restarts.text,
        target: target.text,
        cycles: if cycles.ok() {
            cycles.text
        } else {
            String::new()
        },
        bad_lines: cx.bad_lines()?,
        login: cx.login_seconds(),
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults: Vec<String> = facts
        .failed
        .iter()
        .map(|unit| format!("{} has failed: {}", unit.name, one_line(&unit.journal)))
        .collect();
    // A unit that restarts for ever never counts as failed.
    faults.extend(systemd::restarted(&facts.restarts));
    if facts.target != "active" {
        faults.push(format!("multi-user.target is {}", facts.target));
    }
    if facts.state != "running" && facts.failed.is_empty() {
        faults.push(format!("the system is {}", facts.state));
    }
    if !facts.cycles.is_empty() {
        faults.push(format!("ordering cycle: {}", one_line(&facts.cycles)));
    }
    faults.extend(facts.bad_lines.iter().cloned());
    let kept = format!(
        "{}, 0 failed, 0 restarted; login after {:.1} s",
        facts.state, facts.login
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            state: "running".to_string(),
            failed: Vec::new(),
            restarts: "Id=a.service\nNRestarts=0".to_string(),
            target: "active".to_string(),
            cycles: String::new(),
            bad_lines: Vec::new(),
            login: 12.34,
        }
    }

    #[test]
    fn kept_when_nothing_failed() {
        assert_kept(
            judge(&good()),
            "running, 0 failed, 0 restarted; login after 12.3 s",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| {
                        facts.state = "degraded".to_string();
                        facts.failed = vec![FailedUnit {
                            name: "broken.service".to_string(),
                            journal: "one\ntwo".to_string(),
                        }];
                    },
                    "broken.service has failed: one | two",
                ),
                (
                    |facts| facts.restarts = "Id=restless.service\nNRestarts=7".to_string(),
                    "restless.service was restarted 7 times",
                ),
                (
                    |facts| facts.target = "inactive".to_string(),
                    "multi-user.target is inactive",
                ),
                (
                    |facts| facts.state = "starting".to_string(),
                    "the system is starting",
                ),
                (
                    |facts| facts.cycles = "Found ordering cycle on a.service".to_string(),
                    "ordering cycle: Found ordering cycle on a.service",
                ),
                (
                    |facts| facts.bad_lines = vec!["I/O error: sector 5".to_string()],
                    "I/O error: sector 5",
                ),
            ],
        );
    }
}
