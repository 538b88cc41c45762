//! The causes for which Ollama does not serve (modules/causes.nix), from the record; and their table in docs/owner.md.

use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

/// The recorded file with the causes.
const SCRIPT: &str = "ollamalive-health.json";

/// A cause, as modules/causes.nix describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    pub id: String,
    /// `not serving`, `degraded` or `serving`.
    pub state: String,
    /// One sentence, with words in braces.
    pub says: String,
    pub to_do: Option<String>,
    /// What the manual adds.
    pub more: Option<String>,
    /// Why no scenario makes it happen.
    pub simulated: Option<String>,
}

/// All of them, the most important first.
#[derive(Debug, Deserialize)]
pub struct Causes {
    #[serde(rename = "causes")]
    pub list: Vec<Cause>,
}

static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{[A-Za-z]+\}").expect("the pattern is fixed"));

impl Causes {
    /// The causes of a contract (see [`crate::snapshot::load_json`]).
    ///
    /// # Errors
    /// The contract has none, or not of this shape.
    pub fn of(contract: &Value) -> Result<Self> {
        let text = contract["scripts"][SCRIPT]
            .as_str()
            .with_context(|| format!("the record has no {SCRIPT}"))?;
        serde_json::from_str(text).with_context(|| format!("{SCRIPT} has another shape"))
    }

    /// The rows of a table in Markdown: what the machine says, and what to do.
    pub fn rows(&self) -> String {
        self.list.iter().map(Cause::row).collect()
    }
}

impl Cause {
    fn row(&self) -> String {
        let says = WORD.replace_all(&self.says, "…");
        let parts = [&self.to_do, &self.more];
        let to_do: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        let to_do = to_do.join(" ");
        format!(
            "| \"{}\" | {} |\n",
            says.trim_end_matches('.'),
            to_do.trim_end_matches('.')
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_a_row() {
        let causes = r#"{ "config": {}, "causes": [
            { "id": "a", "state": "degraded", "says": "The drive {drive} is gone.", "toDo": "Plug it in.", "more": "Or not" },
            { "id": "b", "state": "serving", "says": "{percent} % are there." } ] }"#;
        let contract = serde_json::json!({ "scripts": { "ollamalive-health.json": causes } });
        assert_eq!(
            Causes::of(&contract).unwrap().rows(),
            "| \"The drive … is gone\" | Plug it in. Or not |\n| \"… % are there\" |  |\n"
        );
        assert!(Causes::of(&serde_json::json!({})).is_err());
    }
}
