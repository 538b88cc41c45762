//! `ollama.without-gpu`

use anyhow::Result;

use super::client::wait_until_up;
use crate::scenario::{Context, Finding, environment_of, login_banner, one_line};

#[derive(Debug, Clone)]
struct Facts {
    /// The container's state in Docker's words.
    container: String,
    /// The container's environment, one variable per line.
    environment: String,
    banner: String,
    /// The journal of gpu-fallback.service.
    journal: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    wait_until_up(cx)?;
    let container = &cx.contract.ollama.container;
    let banner = login_banner(&cx.machine.login().user);
    let [container, environment, banner, journal] = cx.exec([
        &format!("docker inspect --format '{{{{.State.Status}}}}' {container}"),
        &environment_of(container),
        &banner,
        "journalctl -b --no-pager -o cat -u gpu-fallback.service",
    ])?;
    Ok(Facts {
        container: container.text,
        environment: environment.text,
        banner: banner.text,
        journal: journal.text,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    if facts.container != "running" {
        faults.push(format!("the container is {:?}", facts.container));
    }
    let mut variables = facts.environment.lines();
    if !variables.any(|line| line == "OLLAMALIVE_GPU=none") {
        faults.push("the container was not told that there is no GPU".to_string());
    }
    for (name, text) in [("login banner", &facts.banner), ("journal", &facts.journal)] {
        if !text.contains("CPU") {
            faults.push(format!("the {name} does not say so: {text:?}"));
        }
    }
    let kept = format!("running; says: {}", one_line(&facts.banner));
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            container: "running".to_string(),
            environment: "PATH=/bin\nOLLAMALIVE_GPU=none".to_string(),
            banner: "No NVIDIA GPU:\nOllama runs on the CPU".to_string(),
            journal: "Ollama runs on the CPU".to_string(),
        }
    }

    #[test]
    fn kept_when_container_banner_and_journal_agree() {
        assert_kept(
            judge(&good()),
            "running; says: No NVIDIA GPU: | Ollama runs on the CPU",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.container = "exited".to_string(),
                    "the container is \"exited\"",
                ),
                (
                    |facts| facts.environment = "OLLAMALIVE_GPU=any".to_string(),
                    "the container was not told that there is no GPU",
                ),
                (
                    |facts| facts.banner = String::new(),
                    "the login banner does not say so: \"\"",
                ),
                (
                    |facts| facts.journal = "Starting".to_string(),
                    "the journal does not say so: \"Starting\"",
                ),
            ],
        );
    }
}
