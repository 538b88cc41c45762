//! `gpu.cpu-reported`

use anyhow::Result;

use super::simulation::{self, Facts};
use crate::scenario::{Context, Finding};

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&*cx.shared(simulation::gather)?))
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    if !facts.notice.contains("computes on the CPU although") {
        faults.push(format!("no notice says so: {:?}", facts.notice));
    } else if facts.first == facts.last {
        faults.push("it says so without a restart".to_string());
    }
    if !matches!(facts.restarts.as_str(), "0" | "1") {
        faults.push(format!("it was restarted {} times", facts.restarts));
    }
    Finding::from_faults(
        &faults,
        format!("restarted once, then says: {}", facts.notice),
    )
}

#[cfg(test)]
mod tests {
    use super::super::simulation::tests::good;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    #[test]
    fn kept_when_it_was_restarted_once_and_says_so() {
        assert_kept(
            judge(&good()),
            "restarted once, then says: Ollama computes on the CPU although the PC has an NVIDIA GPU with driver 595.84 (open).",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.last = facts.first.clone(),
                    "it says so without a restart",
                ),
                (
                    |facts| facts.restarts = "2".to_string(),
                    "it was restarted 2 times",
                ),
                (
                    |facts| facts.notice = "cat: No such file".to_string(),
                    "no notice says so: \"cat: No such file\"",
                ),
            ],
        );
    }
}
