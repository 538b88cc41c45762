//! `ollama.survives-oom`

use anyhow::Result;

use super::api::Api;
use super::in_words;
use super::models::{ALPHABET, HUGE, PROMPT, ensure, file, names, right_answer};
use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, Finding, one_line};
use crate::tiny_model::{HUGE_CONTEXT, Model};

/// A model whose file is cut off.
const CUT: &str = "cut-off";
/// In the middle of the description of the model.
const IN_HEADER: usize = 5000;
/// In the middle of the last weights.
const IN_WEIGHTS: usize = 40;

#[derive(Debug, Clone)]
struct Facts {
    /// The error for the prompt to the model that does not fit, or its answer.
    huge: Result<String, String>,
    /// For each file that is cut off: the error, or the answer of the model that was made from it.
    cut: Vec<(&'static str, Result<String, String>)>,
    /// The models after these, or the error.
    listed: Result<Vec<String>, String>,
    /// The container's id before.
    container: String,
    /// The same afterwards, or the error of a machine that is gone.
    container_after: Result<String, String>,
    /// What another model answers afterwards, or the error.
    after: Result<String, String>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let api = Api::of(cx)?;
    ensure(&api, ALPHABET)?;
    ensure(&api, HUGE)?;
    Ok(judge(&gather(cx, &api)?, &right_answer()))
}

fn gather(cx: &mut Context, api: &Api) -> Result<Facts> {
    let identify = format!(
        "docker inspect --format '{{{{.Id}}}}' {}",
        cx.contract.ollama.container
    );
    let [before] = cx.exec([&identify])?;
    let body = serde_json::json!({
        "model": HUGE,
        "prompt": PROMPT,
        "stream": false,
        // All of the model's context.
        "options": { "temperature": 0, "num_ctx": HUGE_CONTEXT },
    });
    let huge = api.post("/api/generate", &body);
    let whole = file(Model::Alphabet, CUT);
    let cut = [
        ("in its header", &whole[..IN_HEADER]),
        ("in its weights", &whole[..whole.len() - IN_WEIGHTS]),
    ];
    let cut = cut.map(|(place, part)| {
        let made = api.create(CUT, part);
        let answer = made.and_then(|()| api.generate(CUT, PROMPT));
        (place, answer.map_err(in_words))
    });
    let listed = names(api).map_err(in_words);
    let after = api.generate(ALPHABET, PROMPT).map_err(in_words);
    let container_after = cx.exec([&identify]).map(|[now]| now.text).map_err(in_words);
    Ok(Facts {
        huge: huge
            .map(|reply| reply.to_string())
            .map_err(|error| one_line(&in_words(error))),
        cut: cut.into(),
        listed,
        container: before.text,
        container_after,
        after,
    })
}

fn judge(facts: &Facts, right: &str) -> Finding {
    let mut faults = Vec::new();
    if let Ok(answer) = &facts.huge {
        faults.push(format!("a model larger than memory answers {answer}"));
    }
    for (place, result) in &facts.cut {
        if let Ok(answer) = result {
            faults.push(format!(
                "a model that is cut off {place} answers {answer:?}"
            ));
        }
    }
    match &facts.listed {
        Ok(names) if names.iter().any(|name| name.starts_with(CUT)) => {
            faults.push("a model that is cut off is listed".to_string());
        }
        Ok(_) => {}
        Err(error) => faults.push(format!("models are not listed: {error}")),
    }
    match &facts.container_after {
        Ok(container) if *container == facts.container => {}
        Ok(_) => faults.push("the container is another one".to_string()),
        Err(error) => faults.push(format!("the machine is gone: {error}")),
    }
    match &facts.after {
        Ok(answer) if answer == right => {}
        Ok(answer) => faults.push(format!("another model answers {answer:?} afterwards")),
        Err(error) => faults.push(format!("another model afterwards: {error}")),
    }
    let error = facts.huge.as_ref().err().map_or("", String::as_str);
    let cut = facts.cut.iter().map(|(place, result)| {
        let error = result.as_ref().err().map_or("", String::as_str);
        format!("cut off {place}: {error}")
    });
    let kept = format!(
        "an error ({error}); {}; and another model answers in the same container",
        cut.collect::<Vec<_>>().join("; ")
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            huge: Err("500: too large".to_string()),
            cut: vec![("in its header", Err("500: EOF".to_string()))],
            listed: Ok(vec!["alphabet:latest".to_string()]),
            container: "a".to_string(),
            container_after: Ok("a".to_string()),
            after: Ok("DE".to_string()),
        }
    }

    #[test]
    fn kept_when_it_is_an_error_and_the_server_goes_on() {
        assert_kept(
            judge(&good(), "DE"),
            "an error (500: too large); cut off in its header: 500: EOF; and another model answers in the same container",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |facts| judge(facts, "DE"),
            &[
                (
                    |facts| facts.huge = Ok("x".to_string()),
                    "a model larger than memory answers x",
                ),
                (
                    |facts| facts.cut[0].1 = Ok("x".to_string()),
                    "a model that is cut off in its header answers \"x\"",
                ),
                (
                    |facts| facts.listed = Ok(vec!["cut-off:latest".to_string()]),
                    "a model that is cut off is listed",
                ),
                (
                    |facts| facts.listed = Err("refused".to_string()),
                    "models are not listed: refused",
                ),
                (
                    |facts| facts.container_after = Ok("b".to_string()),
                    "the container is another one",
                ),
                (
                    |facts| facts.container_after = Err("SSH ended".to_string()),
                    "the machine is gone: SSH ended",
                ),
                (
                    |facts| facts.after = Ok("x".to_string()),
                    "another model answers \"x\" afterwards",
                ),
                (
                    |facts| facts.after = Err("500: gone".to_string()),
                    "another model afterwards: 500: gone",
                ),
            ],
        );
    }
}
