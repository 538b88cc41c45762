//! Reads what Nix prints.

use anstream::adapter::strip_str;
use anyhow::{Context, Result};
use serde_json::Value;

/// `system-features` in the output of `nix config show --json`.
pub fn features(settings: &str) -> Result<Vec<String>> {
    let settings: Value = serde_json::from_str(settings).context("Nix's settings are not JSON")?;
    serde_json::from_value(settings["system-features"]["value"].clone())
        .context("Nix's settings have no system-features")
}

/// The derivations that `nix build --dry-run` would build.
pub fn to_be_built(stderr: &str) -> Vec<String> {
    stderr
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("/nix/store/") && line.ends_with(".drv"))
        .map(str::to_string)
        .collect()
}

/// The names of fixed-output derivations in the output of `nix derivation show`, in its old and new form.
pub fn fixed_outputs(shown: &Value) -> Vec<String> {
    let derivations = shown.get("derivations").unwrap_or(shown);
    let Some(derivations) = derivations.as_object() else {
        return Vec::new();
    };
    let fixed = |derivation: &Value| {
        derivation["outputs"]
            .as_object()
            .is_some_and(|outputs| outputs.values().any(|output| output.get("hash").is_some()))
    };
    derivations
        .values()
        .filter(|derivation| fixed(derivation))
        .map(|derivation| {
            derivation["name"]
                .as_str()
                .unwrap_or("a source")
                .to_string()
        })
        .collect()
}

/// The cause in Nix's message: failed assertions, or the last `error:`.
pub fn reason(stderr: &str) -> String {
    let text = strip_str(stderr).to_string();
    if let Some((_, list)) = text.split_once("Failed assertions:") {
        let sentences: Vec<&str> = list
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| line.trim_start_matches("- "))
            .collect();
        return sentences.join(" ");
    }
    let last = text
        .rfind("error:")
        .map(|at| &text[at + "error:".len()..])
        .unwrap_or(&text);
    let lines: Vec<&str> = last
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(6)
        .collect();
    let reason = lines.join(" ");
    // Nix puts some errors into the parentheses of others.
    match reason.strip_suffix(')') {
        Some(inner) if reason.matches(')').count() > reason.matches('(').count() => inner.into(),
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_inside_of_another_loses_its_parenthesis() {
        let inside = "error: Failed (Source threw exception: error: no host name (6) x.org)\n";
        assert_eq!(reason(inside), "no host name (6) x.org");
        assert_eq!(reason("error: bad (6)\n"), "bad (6)");
    }

    #[test]
    fn derivations_are_read_from_a_dry_run() {
        let text = "these 2 derivations will be built:\n  /nix/store/aaa-a.drv\n  /nix/store/bbb-b.drv\nthese 1 paths will be fetched\n  /nix/store/ccc-c\n";
        assert_eq!(
            to_be_built(text),
            ["/nix/store/aaa-a.drv", "/nix/store/bbb-b.drv"]
        );
    }

    #[test]
    fn features_are_read_from_the_settings() {
        let text =
            r#"{ "cores": { "value": 0 }, "system-features": { "value": ["benchmark", "kvm"] } }"#;
        assert_eq!(features(text).unwrap(), ["benchmark", "kvm"]);
        assert!(features("{}").is_err());
    }

    #[test]
    fn downloads_are_known_by_their_hash_in_both_forms() {
        let shown = serde_json::json!({
            "/nix/store/aaa-a.drv": { "name": "linux.tar.xz", "outputs": { "out": { "hash": "00" } } },
            "/nix/store/bbb-b.drv": { "name": "unit", "outputs": { "out": { "path": "/nix/store/x" } } },
        });
        assert_eq!(fixed_outputs(&shown), ["linux.tar.xz"]);
        assert_eq!(
            fixed_outputs(&serde_json::json!({ "derivations": shown })),
            ["linux.tar.xz"]
        );
    }

    #[test]
    fn the_reason_is_the_assertion_or_the_last_error() {
        let assertion = "error:\n … while evaluating\n\n error:\n Failed assertions:\n - models.drive is \"X\": write LABEL=name\n";
        assert_eq!(reason(assertion), "models.drive is \"X\": write LABEL=name");
        assert_eq!(
            reason("error: a\nerror: unable to download x\n"),
            "unable to download x"
        );
    }
}
