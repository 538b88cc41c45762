//! `ollama.has-its-settings`

use std::collections::BTreeMap;

use anyhow::Result;

use super::client::wait_until_up;
use crate::scenario::{Context, Finding, environment_of};

#[derive(Debug, Clone)]
struct Facts {
    /// The environment of the container's first process, one variable per line.
    environment: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let facts = gather(cx)?;
    Ok(judge(&facts, &cx.contract.ollama.settings))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let container = &cx.contract.ollama.container;
    let [environment] = cx.exec([&environment_of(container)])?;
    Ok(Facts {
        environment: if environment.ok() {
            environment.text
        } else {
            String::new()
        },
    })
}

fn judge(facts: &Facts, settings: &BTreeMap<String, Option<String>>) -> Finding {
    let environment: BTreeMap<&str, &str> = facts
        .environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let mut faults = Vec::new();
    if environment.is_empty() {
        faults.push("the server's environment cannot be read".to_string());
    }
    for (name, wanted) in settings {
        match (wanted.as_deref(), environment.get(name.as_str()).copied()) {
            (Some(wanted), None) => faults.push(format!("{name} is not set to {wanted:?}")),
            (Some(wanted), Some(found)) if wanted != found => {
                faults.push(format!("{name} is {found:?}, not {wanted:?}"));
            }
            (None, Some(found)) => {
                faults.push(format!("{name} is {found:?}, not left to Ollama"));
            }
            _ => {}
        }
    }
    let made: Vec<String> = settings
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)))
        .collect();
    let left = settings.len() - made.len();
    Finding::from_faults(
        &faults,
        format!("{}; {left} left to Ollama", made.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            environment: "PATH=/bin\nOLLAMA_KEEP_ALIVE=24h\nOLLAMA_ORIGINS=https://a=b".to_string(),
        }
    }

    fn judged(facts: &Facts) -> Finding {
        let settings = [
            ("OLLAMA_KEEP_ALIVE", Some("24h")),
            ("OLLAMA_MAX_QUEUE", None),
            ("OLLAMA_ORIGINS", Some("https://a=b")),
        ];
        let settings = settings.map(|(name, value)| (name.to_string(), value.map(str::to_string)));
        judge(facts, &settings.into())
    }

    #[test]
    fn kept_when_the_environment_has_what_was_set_and_no_more() {
        assert_kept(
            judged(&good()),
            "OLLAMA_KEEP_ALIVE=24h, OLLAMA_ORIGINS=https://a=b; 1 left to Ollama",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judged,
            &[
                (
                    |facts| {
                        facts.environment =
                            facts.environment.replace("OLLAMA_KEEP_ALIVE=24h\n", "");
                    },
                    r#"OLLAMA_KEEP_ALIVE is not set to "24h""#,
                ),
                (
                    |facts| facts.environment = facts.environment.replace("24h", "5m"),
                    r#"OLLAMA_KEEP_ALIVE is "5m", not "24h""#,
                ),
                (
                    |facts| facts.environment += "\nOLLAMA_MAX_QUEUE=1",
                    r#"OLLAMA_MAX_QUEUE is "1", not left to Ollama"#,
                ),
            ],
        );
    }

    #[test]
    fn an_environment_that_cannot_be_read_breaks_it() {
        let facts = Facts {
            environment: String::new(),
        };
        let Finding::Broken(evidence) = judged(&facts) else {
            panic!("kept");
        };
        assert!(
            evidence.contains("the server's environment cannot be read"),
            "{evidence}"
        );
    }
}
