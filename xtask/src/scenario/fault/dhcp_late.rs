//! `fault.dhcp-late`

use anyhow::{Result, ensure};
use vm::PluggedIn;

use super::{DHCP_LATE, connect};
use crate::scenario::{Context, Finding};

/// What happened when the cable was plugged in, or why SSH did not answer then.
type Facts = Result<PluggedIn, String>;

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let facts = connect(cx)?;
    if let Ok(plugged_in) = &facts {
        ensure!(
            plugged_in.withheld > 0,
            "no answer was late: the guest sent no DHCP request"
        );
        ensure!(
            plugged_in.took >= DHCP_LATE,
            "it had an address after {:?}, before the server was up",
            plugged_in.took
        );
    }
    Ok(facts)
}

fn judge(facts: &Facts) -> Finding {
    match facts {
        Ok(plugged_in) => Finding::Kept(format!(
            "reachable {:.0} s after the cable was plugged in, {} answers withheld",
            plugged_in.took.as_secs_f64(),
            plugged_in.withheld
        )),
        Err(why) => Finding::Broken(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    #[test]
    fn only_a_machine_without_an_address_breaks_it() {
        let good: Facts = Ok(PluggedIn {
            withheld: 4,
            took: Duration::from_secs(71),
        });
        assert_kept(
            judge(&good),
            "reachable 71 s after the cable was plugged in, 4 answers withheld",
        );
        assert_each_breaks(
            &good,
            judge,
            &[(
                |facts| *facts = Err("SSH did not answer within 210 s".to_string()),
                "SSH did not answer within 210 s",
            )],
        );
    }
}
