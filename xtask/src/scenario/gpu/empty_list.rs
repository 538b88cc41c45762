//! `gpu.empty-list`

use anyhow::Result;

use super::simulation::{self, Facts};
use crate::scenario::{Context, Finding};

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&*cx.shared(simulation::gather)?))
}

fn judge(facts: &Facts) -> Finding {
    if facts.without == "running" {
        return Finding::Kept("without a device in the list, Ollama runs".to_string());
    }
    Finding::Broken(format!(
        "the container waits for a GPU that is not in the list: {:?}",
        facts.without
    ))
}

#[cfg(test)]
mod tests {
    use super::super::simulation::tests::good;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    #[test]
    fn kept_when_the_container_runs() {
        assert_kept(judge(&good()), "without a device in the list, Ollama runs");
    }

    #[test]
    fn a_container_that_does_not_start_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[(
                |facts| facts.without = "Error: No such object: ollama".to_string(),
                "the container waits for a GPU that is not in the list: \"Error: No such object: ollama\"",
            )],
        );
    }
}
