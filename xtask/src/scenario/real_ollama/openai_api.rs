//! `ollama.openai-api`

use anyhow::Result;
use serde_json::{Value, json};

use super::api::Api;
use super::in_words;
use super::models::{ALPHABET, PROMPT, ensure, right_answer};
use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, Finding};

/// What the server answers, or its error.
#[derive(Debug, Clone)]
struct Facts {
    models: Result<Value, String>,
    chat: Result<Value, String>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let api = Api::of(cx)?;
    ensure(&api, ALPHABET)?;
    let chat = json!({
        "model": ALPHABET,
        "messages": [{ "role": "user", "content": PROMPT }],
        "temperature": 0,
    });
    let facts = Facts {
        models: api.get("/v1/models").map_err(in_words),
        chat: api.post("/v1/chat/completions", &chat).map_err(in_words),
    };
    Ok(judge(&facts, &right_answer()))
}

fn judge(facts: &Facts, right: &str) -> Finding {
    let mut faults = Vec::new();
    match &facts.models {
        Ok(list) => {
            let models = list["data"].as_array().into_iter().flatten();
            let ids: Vec<&str> = models.filter_map(|model| model["id"].as_str()).collect();
            if !ids.contains(&format!("{ALPHABET}:latest").as_str()) {
                faults.push(format!("/v1/models lists {ids:?}, without {ALPHABET}"));
            }
        }
        Err(error) => faults.push(error.clone()),
    }
    match &facts.chat {
        Ok(reply) if reply["choices"][0]["message"]["content"] == right => {}
        Ok(reply) => faults.push(format!("the chat's answer is not {right:?}: {reply}")),
        Err(error) => faults.push(error.clone()),
    }
    let kept = format!("/v1/models lists {ALPHABET}; /v1/chat/completions answers {right}");
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            models: Ok(json!({ "data": [{ "id": "alphabet:latest" }] })),
            chat: Ok(json!({ "choices": [{ "message": { "content": "DE" } }] })),
        }
    }

    #[test]
    fn kept_when_the_model_is_listed_and_answers() {
        assert_kept(
            judge(&good(), "DE"),
            "/v1/models lists alphabet; /v1/chat/completions answers DE",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |facts| judge(facts, "DE"),
            &[
                (
                    |facts| facts.models = Ok(json!({ "data": [{ "id": "other" }] })),
                    "/v1/models lists [\"other\"], without alphabet",
                ),
                (
                    |facts| facts.models = Err("/v1/models: 404 Not Found".to_string()),
                    "/v1/models: 404 Not Found",
                ),
                (
                    |facts| facts.chat = Ok(json!({ "choices": [] })),
                    "the chat's answer is not \"DE\": {\"choices\":[]}",
                ),
                (
                    |facts| facts.chat = Err("/v1/chat/completions: 500: x".to_string()),
                    "/v1/chat/completions: 500: x",
                ),
            ],
        );
    }
}
