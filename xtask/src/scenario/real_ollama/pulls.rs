//! `ollama.pulls`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use vm::lan_probe::dns::NameServer;
use vm::process::pause;

use super::api::Api;
use super::in_words;
use super::lan_registry::{LATE, PULLED, SOMEONES, name, pull, with_registry};
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

/// The registry's name, which only the network's own name server knows (RFC 2606).
const REGISTRY: &str = "models.lan.test";
/// How long the name server answers nothing.
const SILENT: Duration = Duration::from_secs(20);
/// How long pulls by name may fail after that.
const NAMED: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_secs(1);

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
    /// The answer of a model whose name has a slash.
    someones: Result<String, String>,
    by_name: ByName,
}

/// Pulls by the registry's name, while the name server is late and afterwards.
#[derive(Debug, Clone)]
struct ByName {
    /// Begun while the name server answers nothing.
    early: Result<(), String>,
    /// In the end, without a restart in between.
    late: Result<(), String>,
    /// From the moment at which the name server answers until the pull was done.
    took: Duration,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let facts = with_registry(cx, gather)?;
    Ok(judge(&facts, &right_answer()))
}

fn gather(cx: &mut Context, registry: &Registry, host: &str) -> Result<Facts> {
    let api = Api::of(cx)?;
    let mut refusals = Vec::new();
    for &(words, behaviour) in FAULTS {
        registry.behave(behaviour);
        refusals.push((words, pull(&api, host, PULLED).map_err(in_words)));
    }
    let after_refusals = names(&api)?;
    registry.behave(Behaviour::Healthy);
    let pulled = pull(&api, host, PULLED).map_err(in_words);
    let answer = api.generate(&name(host, PULLED), PROMPT).map_err(in_words);
    let [manifest] = cx.exec([&format!(
        "ls {}/manifests/{host}/{PULLED}",
        cx.contract.ollama.models_word()
    )])?;
    let someones = pull(&api, host, SOMEONES)
        .and_then(|()| api.generate(&name(host, SOMEONES), PROMPT))
        .map_err(in_words);
    Ok(Facts {
        refusals,
        after_refusals,
        pulled,
        answer,
        manifest: manifest.text,
        someones,
        by_name: by_name(cx, &api)?,
    })
}

/// Ollama looks a name up once and waits ten seconds. So the first pull fails, and the client has to try again.
fn by_name(cx: &mut Context, api: &Api) -> Result<ByName> {
    let lan = cx.machine.lan();
    let server = NameServer {
        addresses: lan.name_servers(),
        names: BTreeMap::from([(REGISTRY.to_string(), lan.gateway)]),
    };
    cx.machine.lan_probe()?.serve_names(server, SILENT);
    let answers = Instant::now() + SILENT;
    let attempt = || pull(api, REGISTRY, LATE).map_err(in_words);
    let early = attempt();
    pause(answers.saturating_duration_since(Instant::now()))?;
    let mut late = early.clone();
    while late.is_err() && answers.elapsed() < NAMED {
        late = attempt();
        if late.is_err() {
            pause(POLL)?;
        }
    }
    Ok(ByName {
        early,
        late,
        took: answers.elapsed(),
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
    if let Some(fault) = fault(&facts.someones, right) {
        faults.push(format!("{SOMEONES}: {fault}"));
    }
    let ByName { early, late, took } = &facts.by_name;
    if let Err(error) = late {
        faults.push(format!(
            "the pull by name failed {} s after the name server came: {error}",
            took.as_secs()
        ));
    }
    let names: Vec<&str> = facts.refusals.iter().map(|(name, _)| *name).collect();
    let kept = format!(
        "pulled from a registry on the LAN, and answers, and so does {SOMEONES}; by name {:.1} s after the name server came \
         (before: {}); an error from each registry with {}",
        took.as_secs_f64(),
        early.as_ref().err().map_or("pulled", String::as_str),
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
            someones: Ok("DE".to_string()),
            by_name: ByName {
                early: Err("i/o timeout".to_string()),
                late: Ok(()),
                took: Duration::from_secs(2),
            },
        }
    }

    #[test]
    fn kept_when_the_model_answers_and_bad_registries_are_errors() {
        assert_kept(
            judge(&good(), "DE"),
            "pulled from a registry on the LAN, and answers, and so does someone/shared; by name 2.0 s after the name server came \
             (before: i/o timeout); an error from each registry with 404",
        );
    }

    #[test]
    fn kept_when_the_server_itself_waits_for_the_name_server() {
        let mut facts = good();
        facts.by_name.early = Ok(());
        assert!(matches!(judge(&facts, "DE"), Finding::Kept(_)));
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
                (
                    |facts| facts.someones = Err("400: invalid model name".to_string()),
                    "someone/shared: the model does not answer: 400: invalid model name",
                ),
                (
                    |facts| facts.someones = Ok("x".to_string()),
                    "someone/shared: the model answers \"x\"",
                ),
                (
                    |facts| {
                        facts.by_name.late = Err("no such host".to_string());
                        facts.by_name.took = Duration::from_secs(41);
                    },
                    "the pull by name failed 41 s after the name server came: no such host",
                ),
            ],
        );
    }
}
