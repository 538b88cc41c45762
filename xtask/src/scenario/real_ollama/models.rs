//! The models that the tests put on the server; see [`crate::tiny_model`].

use anyhow::{Context as _, Result};

use super::api::Api;
use crate::tiny_model::Model;

/// Continues the alphabet, and stops after Z.
pub const ALPHABET: &str = "alphabet";
/// Goes round the alphabet until it is stopped.
pub const ENDLESS: &str = "endless";
/// Takes some time to load.
pub const LARGE: &str = "large";
/// Needs more memory than the machine has.
pub const HUGE: &str = "huge";

/// A prompt, and its only right answer.
pub const PROMPT: &str = "ABC";

/// The right answer to [`PROMPT`].
pub fn right_answer() -> String {
    crate::tiny_model::answer(PROMPT)
}

/// What is wrong with a model's `answer`, or the error in its place; `None` if it is `right`.
pub fn fault(answer: &Result<String, String>, right: &str) -> Option<String> {
    match answer {
        Ok(answer) if answer == right => None,
        Ok(answer) => Some(format!("the model answers {answer:?}")),
        Err(error) => Some(format!("the model does not answer: {error}")),
    }
}

/// Puts one of the models on the server, where it is not there yet.
pub fn ensure(api: &Api, name: &str) -> Result<()> {
    if names(api)?.contains(&format!("{name}:latest")) {
        return Ok(());
    }
    let model = match name {
        ENDLESS => Model::Endless,
        HUGE => Model::Huge,
        LARGE => Model::Large,
        _ => Model::Alphabet,
    };
    api.create(name, &file(model, name))
        .with_context(|| format!("cannot make the model {name}"))
}

/// The names of the server's models.
pub fn names(api: &Api) -> Result<Vec<String>> {
    let have = api.get("/api/tags")?;
    let models = have["models"].as_array().into_iter().flatten();
    let names = models.filter_map(|model| model["name"].as_str());
    Ok(names.map(str::to_string).collect())
}

/// The file of a model called `name`.
pub fn file(model: Model, name: &str) -> Vec<u8> {
    let mut file = Vec::new();
    crate::tiny_model::write(model, name, &mut file).expect("writing to a Vec cannot fail");
    file
}
