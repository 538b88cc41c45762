//! `fault.container-killed`

use std::time::Duration;

use anyhow::Result;

use crate::scenario::{Context, Finding, ollama};

/// How often the container is killed: as often as systemd's default allows a unit to be started in 10 s.
const KILLS: usize = 5;

/// For each kill, the time to the next answer, or why there was none. The first silence ends the test.
#[derive(Debug, Clone)]
struct Facts {
    kills: Vec<Result<Duration, String>>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    ollama::wait_until_up(cx)?;
    let mut kills = Vec::new();
    while kills.len() < KILLS && kills.last().is_none_or(Result::is_ok) {
        let recovery = ollama::kill_container(cx)?;
        kills.push(recovery.map(|recovery| recovery.took));
    }
    Ok(Facts { kills })
}

fn judge(facts: &Facts) -> Finding {
    let mut times = Vec::new();
    for (kill, took) in (1..).zip(&facts.kills) {
        match took {
            Ok(took) => times.push(format!("{:.0}", took.as_secs_f64())),
            Err(why) => return Finding::Broken(format!("after kill {kill}: {why}")),
        }
    }
    if times.len() < KILLS {
        return Finding::Broken(format!("killed {} times, not {KILLS}", times.len()));
    }
    Finding::Kept(format!("answers {} s after each kill", times.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            kills: (3..8)
                .map(|seconds| Ok(Duration::from_secs(seconds)))
                .collect(),
        }
    }

    #[test]
    fn kept_when_ollama_answers_after_each_kill() {
        assert_kept(judge(&good()), "answers 3, 4, 5, 6, 7 s after each kill");
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.kills[4] = Err("no answer".to_string()),
                    "after kill 5: no answer",
                ),
                (|facts| facts.kills.truncate(4), "killed 4 times, not 5"),
            ],
        );
    }
}
