//! `ollama.answers`

use anyhow::Result;

use super::client::{answer, journal};
use super::kill::{Recovery, kill_container};
use crate::scenario::{Context, Finding};

/// As far as the check got.
#[derive(Debug, Clone)]
enum Facts {
    /// There was no answer after the boot.
    Silent(Silence),
    /// systemd had restarted the unit this often before the check killed it.
    Restarted(String),
    Killed {
        /// The version before.
        version: String,
        after: Result<Recovery, Silence>,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone)]
struct Silence {
    why: String,
    /// The unit's state and last journal lines.
    journal: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    let facts = gather(cx)?;
    Ok(judge(&facts, &cx.contract.ollama.unit))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let version = match answer(cx)? {
        Ok(version) => version,
        Err(why) => {
            let journal = journal(cx);
            return Ok(Facts::Silent(Silence { why, journal }));
        }
    };
    let unit = &cx.contract.ollama.unit;
    let command = format!("systemctl show {unit} -p NRestarts --value");
    let restarts = cx.machine.succeed(&command)?;
    if restarts != "0" {
        return Ok(Facts::Restarted(restarts));
    }
    let after = match kill_container(cx)? {
        Ok(recovery) => Ok(recovery),
        Err(why) => {
            let journal = journal(cx);
            Err(Silence { why, journal })
        }
    };
    Ok(Facts::Killed { version, after })
}

fn judge(facts: &Facts, unit: &str) -> Finding {
    match facts {
        Facts::Silent(Silence { why, journal }) => Finding::Broken(format!("{why}; {journal}")),
        Facts::Restarted(times) => Finding::Broken(format!(
            "{unit} was restarted {times} times before the test killed it"
        )),
        Facts::Killed {
            after: Err(Silence { why, journal }),
            ..
        } => Finding::Broken(format!("after docker kill: {why}; {journal}")),
        Facts::Killed {
            version,
            after: Ok(after),
        } if after.version == *version => Finding::Kept(format!(
            "version {version}; again {:.1} s after docker kill",
            after.took.as_secs_f64()
        )),
        Facts::Killed {
            version,
            after: Ok(after),
        } => Finding::Broken(format!("version {version} became {}", after.version)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn killed(version: &str) -> Facts {
        Facts::Killed {
            version: "0.1".to_string(),
            after: Ok(Recovery {
                version: version.to_string(),
                took: Duration::from_secs(7),
            }),
        }
    }

    fn silence() -> Silence {
        Silence {
            why: "no answer within 180 s".to_string(),
            journal: "ActiveState=failed".to_string(),
        }
    }

    fn judge_unit(facts: &Facts) -> Finding {
        judge(facts, "ollama.service")
    }

    #[test]
    fn kept_when_the_same_version_answers_again() {
        assert_kept(
            judge_unit(&killed("0.1")),
            "version 0.1; again 7.0 s after docker kill",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &killed("0.1"),
            judge_unit,
            &[
                (
                    |facts| *facts = Facts::Silent(silence()),
                    "no answer within 180 s; ActiveState=failed",
                ),
                (
                    |facts| *facts = Facts::Restarted("2".to_string()),
                    "ollama.service was restarted 2 times before the test killed it",
                ),
                (
                    |facts| {
                        *facts = Facts::Killed {
                            version: "0.1".to_string(),
                            after: Err(silence()),
                        };
                    },
                    "after docker kill: no answer within 180 s; ActiveState=failed",
                ),
                (|facts| *facts = killed("0.2"), "version 0.1 became 0.2"),
            ],
        );
    }
}
