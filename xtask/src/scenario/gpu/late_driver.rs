//! `gpu.late-driver`

use anyhow::Result;

use super::simulation::{self, Facts};
use crate::scenario::{Context, Finding};

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&*cx.shared(simulation::gather)?))
}

fn judge(facts: &Facts) -> Finding {
    if facts.given {
        return Finding::Kept("a new container has the device".to_string());
    }
    Finding::Broken("Ollama was not restarted: its container has no GPU".to_string())
}

#[cfg(test)]
mod tests {
    use super::super::simulation::tests::good;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    #[test]
    fn kept_when_the_container_has_the_device() {
        assert_kept(judge(&good()), "a new container has the device");
    }

    #[test]
    fn an_ollama_that_was_not_restarted_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[(
                |facts| facts.given = false,
                "Ollama was not restarted: its container has no GPU",
            )],
        );
    }
}
