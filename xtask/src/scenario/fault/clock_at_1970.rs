//! `fault.clock-at-1970`

use anyhow::{Error, Result, ensure};

use super::{Reach, connect};
use crate::scenario::{Context, Finding};

#[derive(Debug, Clone)]
struct Facts {
    /// The hardware clock's date.
    hardware: String,
    /// The system's date.
    system: String,
    reach: Reach,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    connect(cx)?.map_err(Error::msg)?;
    let [hardware, system] = cx
        .exec(["cat /sys/class/rtc/rtc0/date", "date --utc +%F"])?
        .map(|output| output.text);
    // UEFI's driver of this clock knows only this century, and turns 1970 into 2070.
    ensure!(
        hardware.ends_with("70-01-01"),
        "the hardware clock says {hardware}"
    );
    Ok(Facts {
        hardware,
        system,
        reach: Reach::gather(cx)?,
    })
}

fn judge(facts: &Facts) -> Finding {
    let kept = format!(
        "the hardware clock says {}, the machine {}; SSH and Ollama answer",
        facts.hardware, facts.system
    );
    Finding::from_faults(&facts.reach.faults(), kept)
}

#[cfg(test)]
mod tests {
    use super::super::reach::tests::reachable;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    #[test]
    fn only_a_machine_that_cannot_be_reached_breaks_it() {
        let good = Facts {
            hardware: "2070-01-01".to_string(),
            system: "2026-05-01".to_string(),
            reach: reachable(),
        };
        assert_kept(
            judge(&good),
            "the hardware clock says 2070-01-01, the machine 2026-05-01; SSH and Ollama answer",
        );
        assert_each_breaks(
            &good,
            judge,
            &[
                (
                    |facts| facts.reach.ssh = Ok(false),
                    "the owner's key is refused",
                ),
                (
                    |facts| facts.reach.ollama = Err("no answer".to_string()),
                    "Ollama: no answer",
                ),
            ],
        );
    }
}
