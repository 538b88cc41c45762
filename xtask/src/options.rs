//! Renders the reference of the options `ollamalive.*` for docs/options.md.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// An option, as `lib.optionAttrSetToDocList` of nixpkgs describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NixOption {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    read_only: bool,
    /// Markdown
    description: String,
    default: Option<Shown>,
    /// Nix
    example: Option<String>,
    /// Paths from the project's top folder.
    declared_in: Vec<String>,
}

/// A rendered value: Nix or Markdown.
#[derive(Debug, Deserialize)]
struct Shown {
    #[serde(rename = "_type")]
    form: String,
    text: String,
}

/// The reference in Markdown, from the contract (see [`crate::snapshot::load_json`]).
///
/// # Errors
/// The contract has no options, or not of this shape.
pub fn markdown(contract: &Value) -> Result<String> {
    let options: Vec<NixOption> =
        serde_json::from_value(contract["options"].clone()).context("the record has no options")?;
    let (read_only, settable): (Vec<_>, Vec<_>) =
        options.into_iter().partition(|option| option.read_only);
    let mut text = described(&settable, "##")?;
    if !read_only.is_empty() {
        text.push_str("## Read-only options\n\nThey cannot be set. They show what follows from the others.\n\n");
        text.push_str(&described(&read_only, "###")?);
    }
    Ok(text)
}

fn described(options: &[NixOption], heading: &str) -> Result<String> {
    let mut text = String::new();
    for option in options {
        writeln!(
            text,
            "{heading} `{}`\n\n{}\n",
            option.name,
            option.description.trim()
        )?;
        let kind = &option.kind;
        writeln!(text, "- type: `{kind}`")?;
        if let Some(default) = &option.default {
            let in_words = default.form == "literalMD";
            writeln!(
                text,
                "- default:{}",
                if in_words {
                    format!(" {}", default.text)
                } else {
                    code(&default.text)
                }
            )?;
        }
        if let Some(example) = &option.example {
            writeln!(text, "- example:{}", code(example))?;
        }
        for file in &option.declared_in {
            writeln!(text, "- declared in [{file}](../{file})")?;
        }
        writeln!(text)?;
    }
    Ok(text)
}

/// Nix code after a colon: on the same line, or in a block below if it has several lines.
fn code(nix: &str) -> String {
    if nix.contains('\n') {
        let indented: String = nix.lines().map(|line| format!("  {line}\n")).collect();
        format!("\n\n  ```nix\n{indented}  ```")
    } else {
        format!(" `{nix}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_described_in_full() {
        let contract = serde_json::json!({ "options": [{
            "name": "ollamalive.a",
            "type": "string",
            "readOnly": false,
            "description": "What it does.\n",
            "default": { "_type": "literalExpression", "text": "{\n  b = 1;\n}" },
            "example": "\"x\"",
            "declaredIn": ["modules/a.nix"],
        }]});
        assert_eq!(
            markdown(&contract).unwrap(),
            "## `ollamalive.a`\n\nWhat it does.\n\n- type: `string`\n- default:\n\n  ```nix\n  {\n    b = 1;\n  }\n  ```\n\
             - example: `\"x\"`\n- declared in [modules/a.nix](../modules/a.nix)\n\n"
        );
        assert!(markdown(&serde_json::json!({})).is_err());
    }

    #[test]
    fn options_that_cannot_be_set_come_last() {
        let option = |name: &str, read_only: bool| {
            serde_json::json!({
                "name": name,
                "type": "string",
                "readOnly": read_only,
                "description": "",
                "declaredIn": [],
            })
        };
        let contract = serde_json::json!({ "options": [option("a", true), option("b", false)] });
        let text = markdown(&contract).unwrap();
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(headings, ["## `b`", "## Read-only options", "### `a`"]);
    }
}
