//! `ollama.pulls-at-start`

use anyhow::Result;

use super::client::wait_until_up;
use crate::scenario::{Context, Finding, login_banner, one_line};

/// Seconds until the unit has downloaded a small model, or knows why it cannot.
const DEADLINE: u32 = 60;

#[derive(Debug, Clone)]
struct Facts {
    /// Those of the listed models that Ollama has.
    there: Vec<String>,
    banner: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let facts = gather(cx)?;
    Ok(judge(&facts, &cx.contract.ollama.pull))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let (port, models) = (cx.contract.ollama.port, cx.contract.ollama.pull.clone());
    let banner = login_banner(&cx.machine.login().user);
    // Until the unit is done, or the machine has none. It goes on trying what it cannot download.
    let [_, banner] = cx.exec([
        &format!(
            "for second in $(seq {DEADLINE}); do \
             [ \"$(systemctl show ollama-pull.service -p SubState --value)\" = running ] || break; \
             grep -q 'is not downloaded' /run/ollamalive/notices/pull && break; sleep 1; done"
        ),
        &banner,
    ])?;
    let mut there = Vec::new();
    for model in models {
        let [shown] = cx.exec([&format!(
            "curl -sf --max-time 20 -o /dev/null --data '{{\"model\":\"{model}\"}}' http://127.0.0.1:{port}/api/show"
        )])?;
        if shown.ok() {
            there.push(model);
        }
    }
    Ok(Facts {
        there,
        banner: banner.text,
    })
}

fn judge(facts: &Facts, models: &[String]) -> Finding {
    let is_there = |model: &&String| facts.there.contains(model);
    let is_named = |model: &&String| {
        let start = format!("{model} is ");
        facts.banner.lines().any(|line| line.starts_with(&start))
    };
    let faults: Vec<String> = models
        .iter()
        .filter(|model| !is_there(model) && !is_named(model))
        .map(|model| {
            let banner = one_line(&facts.banner);
            format!("{model} is not there, and the login banner does not say why: {banner:?}")
        })
        .collect();
    let told = models.iter().filter(|model| !is_there(model)).count();
    let kept = match told {
        0 => format!("{} are there", facts.there.join(", ")),
        _ => format!("says: {}", one_line(&facts.banner)),
    };
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            there: vec!["llama3.2".to_string(), "qwen3:8b".to_string()],
            banner: "No GPU".to_string(),
        }
    }

    fn judged(facts: &Facts) -> Finding {
        judge(facts, &["llama3.2".to_string(), "qwen3:8b".to_string()])
    }

    #[test]
    fn kept_when_all_models_are_there() {
        assert_kept(judged(&good()), "llama3.2, qwen3:8b are there");
    }

    #[test]
    fn kept_when_the_banner_says_why_one_is_not() {
        let facts = Facts {
            there: vec!["llama3.2".to_string()],
            banner: "No GPU\nqwen3:8b is not downloaded: it needs 5.2 GB".to_string(),
        };
        assert_kept(
            judged(&facts),
            "says: No GPU | qwen3:8b is not downloaded: it needs 5.2 GB",
        );
    }

    #[test]
    fn silence_about_a_model_breaks_it() {
        assert_each_breaks(
            &good(),
            judged,
            &[
                (
                    |facts| drop(facts.there.pop()),
                    "qwen3:8b is not there, and the login banner does not say why: \"No GPU\"",
                ),
                (
                    |facts| {
                        facts.there.remove(0);
                        facts.banner = "llama3.2:1b is not downloaded".to_string();
                    },
                    "llama3.2 is not there, and the login banner does not say why: \"llama3.2:1b is not downloaded\"",
                ),
            ],
        );
    }
}
