//! `ollama.pulls`

use anyhow::Result;

use super::api::Api;
use super::lan_registry::{PULLED, name, pull, with_registry};
use super::models::{PROMPT, fault, names, right_answer};
use super::registry::{Behaviour, Registry};
use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, Finding};

/// What registries do to a pull, in words for evidence.
const FAULTS: &[(&str, Behaviour)] = &[
    ("401", Behaviour::Status(401)),
    ("404", Behaviour::Status(404)),
    ("429", Behaviour::Status(429)),
    ("garbage", Behaviour::Garbage),
    ("other bytes", Behaviour::WrongBytes),
];

#[derive(Debug, Clone)]
struct Facts {
    /// What the server said to each of [`FAULTS`]: an error, or that all is well.
    refusals: Vec<(&'static str, Result<(), String>)>,
    /// The models after these.
    after_refusals: Vec<String>,
    /// The pull from a registry without a fault.
    pulled: Result<(), String>,
    /// The model's answer.
    answer: Result<String, String>,
    /// The manifest in the folder for models on the machine.
    manifest: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let facts = with_registry(cx, gather)?;
    Ok(judge(&facts, &right_answer()))
}

fn gather(cx: &mut Context, registry: &Registry, host: &str) -> Result<Facts> {
    let api = Api::of(cx)?;
    let text = |error| format!("{error:#}");
    let mut refusals = Vec::new();
    for &(words, behaviour) in FAULTS {
        registry.behave(behaviour);
        refusals.push((words, pull(&api, host, PULLED).map_err(text)));
    }
    let after_refusals = names(&api)?;
    registry.behave(Behaviour::Healthy);
    let pulled = pull(&api, host, PULLED).map_err(text);
    let answer = api.generate(&name(host, PULLED), PROMPT).map_err(text);
    let [manifest] = cx.exec([&format!(
        "ls {}/models/manifests/{host}/library/{PULLED}",
        cx.contract.ollama.models_dir
    )])?;
    Ok(Facts {
        refusals,
        after_refusals,
        pulled,
        answer,
        manifest: manifest.text,
    })
}

fn judge(facts: &Facts, right: &str) -> Finding {
    let mut faults = Vec::new();
    for (registry, result) in &facts.refusals {
        if result.is_ok() {
            faults.push(format!(
                "a pull from a registry with {registry} is a success"
            ));
        }
    }
    if facts
        .after_refusals
        .iter()
        .any(|name| name.contains(PULLED))
    {
        faults.push("a model that no registry gave is listed".to_string());
    }
    if let Err(error) = &facts.pulled {
        faults.push(format!("the pull failed: {error}"));
    }
    faults.extend(fault(&facts.answer, right));
    if facts.manifest.trim() != "latest" {
        faults.push(format!(
            "it is not in the folder for models: {}",
            facts.manifest
        ));
    }
    let names: Vec<&str> = facts.refusals.iter().map(|(name, _)| *name).collect();
    let kept = format!(
        "pulled from a registry on the LAN, and answers; an error from each registry with {}",
        names.join(", ")
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            refusals: vec![("404", Err("not found".to_string()))],
            after_refusals: vec!["alphabet:latest".to_string()],
            pulled: Ok(()),
            answer: Ok("DE".to_string()),
            manifest: "latest".to_string(),
        }
    }

    #[test]
    fn kept_when_the_model_answers_and_bad_registries_are_errors() {
        assert_kept(
            judge(&good(), "DE"),
            "pulled from a registry on the LAN, and answers; an error from each registry with 404",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |facts| judge(facts, "DE"),
            &[
                (
                    |facts| facts.refusals[0].1 = Ok(()),
                    "a pull from a registry with 404 is a success",
                ),
                (
                    |facts| {
                        facts
                            .after_refusals
                            .push("10.0.2.2/library/pulled:latest".to_string())
                    },
                    "a model that no registry gave is listed",
                ),
                (
                    |facts| facts.pulled = Err("no route".to_string()),
                    "the pull failed: no route",
                ),
                (
                    |facts| facts.answer = Ok("x".to_string()),
                    "the model answers \"x\"",
                ),
                (
                    |facts| facts.answer = Err("404: x".to_string()),
                    "the model does not answer: 404: x",
                ),
                (
                    |facts| facts.manifest = "No such folder".to_string(),
                    "it is not in the folder for models: No such folder",
                ),
            ],
        );
    }
}
