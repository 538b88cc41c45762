//! Ollama's image.

use libtest_mimic::Failed;
use xtask::nix::Nix;

use super::{common, problems, quoted};

pub fn names(nix: &Nix) -> Result<(), Failed> {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let neither = "has neither a tag nor a digest";
    let digits = "64 digits";
    let no_name = "is not the name of an image";
    for (image, words) in [
        ("ollama/ollama:0.40.2", ""),
        (format!("ollama/ollama:0.40.2@{digest}").as_str(), ""),
        (format!("registry.lan:5000/ollama@{digest}").as_str(), ""),
        ("registry.lan:5000/ollama:rocm", ""),
        ("ollama/ollama", neither),
        ("registry.lan:5000/ollama", neither),
        ("ollama/ollama:", neither),
        ("", neither),
        (format!("@{digest}").as_str(), neither),
        ("ollama/ollama:0.40.2@", digits),
        ("ollama/ollama@latest", digits),
        (format!("ollama/ollama@{digest}0").as_str(), digits),
        (format!("ollama/ollama@{digest}@{digest}").as_str(), digits),
        ("[fd00::1]:5000/ollama:1", ""),
        ("ghcr.io/a/b_c/d-e.f:1", ""),
        ("https://hub.docker.com/r/ollama/ollama:0.40.2", no_name),
        ("docker pull ollama/ollama:0.40.2", no_name),
        ("ollama/ollama:0.40.2 ", no_name),
        ("ollama/ollama:-x", no_name),
    ] {
        let module = format!("ollamalive.ollama.image = lib.mkForce \"{image}\";");
        let found = problems(nix, &module)?;
        let right = match &found[..] {
            [] => words.is_empty(),
            [one] => !words.is_empty() && one.contains(words),
            _ => false,
        };
        assert!(right, "{image}: {found:?}");
    }
    Ok(())
}

/// What the container runs by, and what is asked of the registry.
pub fn references(nix: &Nix) -> Result<(), Failed> {
    let digest = format!("sha256:{}", "0a".repeat(32));
    for (image, local, remote) in [
        ("ollama/ollama:1", "ollama/ollama:1", "ollama/ollama:1"),
        (
            format!("ollama/ollama:1@{digest}").as_str(),
            "ollama/ollama:1",
            format!("ollama/ollama@{digest}").as_str(),
        ),
        (
            format!("r:5000/ollama@{digest}").as_str(),
            format!("r:5000/ollama@{digest}").as_str(),
            format!("r:5000/ollama@{digest}").as_str(),
        ),
        (
            "docker.io/ollama/ollama:1",
            "ollama/ollama:1",
            "ollama/ollama:1",
        ),
    ] {
        let answer = nix.ask(&format!(
            "appliance: let found = import (/. + {}) {{ inherit (appliance.pkgs) lib; }} {}; in [ found.local found.remote ]",
            quoted(&common::root().join("modules/image-reference.nix").display().to_string()),
            quoted(image),
        ))?;
        assert_eq!(answer, serde_json::json!([local, remote]), "{image}");
    }
    Ok(())
}
