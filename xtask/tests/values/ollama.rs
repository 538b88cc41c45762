//! Settings of Ollama.

use libtest_mimic::Failed;
use xtask::nix::Nix;

use super::{common, judged, problems, quoted};

/// Settings as an owner writes them, and words of the sentence (none where they are right).
const CASES: &[(&str, &str)] = &[
    (r#"keepAlive = "5m";"#, ""),
    (r#"keepAlive = "1h30m";"#, ""),
    (r#"keepAlive = "-1";"#, ""),
    ("keepAlive = -1;", ""),
    (r#"keepAlive = "0";"#, ""),
    (r#"keepAlive = "24h";"#, ""),
    (
        r#"keepAlive = "5 min";"#,
        r#"keepAlive is "5 min". Write a number with its unit"#,
    ),
    (
        r#"keepAlive = "forever";"#,
        "Write a number with its unit, such as \"5m\"",
    ),
    (r#"keepAlive = "";"#, "Write a number with its unit"),
    (r#"kvCacheType = "f16";"#, ""),
    (r#"kvCacheType = "q4_0"; flashAttention = true;"#, ""),
    (
        r#"kvCacheType = "q8_0";"#,
        "Write ollamalive.ollama.flashAttention = true; too.",
    ),
    (
        r#"kvCacheType = "q8_0"; flashAttention = false;"#,
        "needs flash attention",
    ),
    (
        r#"origins = [ "*" "http://192.168.1.5:3000" "https://*.example.com" "moz-extension://abc" ];"#,
        "",
    ),
    (
        r#"origins = [ "chat.example.com" ];"#,
        r#"origins: "chat.example.com" is not an origin. Write it with http://"#,
    ),
    (
        r#"origins = [ "https://chat.example.com/" ];"#,
        "without a path",
    ),
    (
        r#"origins = [ "https://a.com,https://b.com" ];"#,
        "is not an origin",
    ),
    (r#"origins = [ "*://*.a.com" ];"#, r#"one "*" at most"#),
    (r#"environment.OLLAMA_DEBUG = "1";"#, ""),
    (
        r#"environment.OLLAMA_HOST = "0.0.0.0";"#,
        "environment: it sets OLLAMA_HOST. Write ollamalive.ollama.port instead.",
    ),
    (
        r#"environment.OLLAMA_MODELS = "/x";"#,
        "Write ollamalive.models.drive instead.",
    ),
    (
        r#"environment.OLLAMA_KEEP_ALIVE = "5m";"#,
        "Write ollamalive.ollama.keepAlive instead.",
    ),
    (
        r#"environment.OLLAMALIVE_GPU = "none";"#,
        "which the appliance sets. Leave it out.",
    ),
    (
        r#"environment."A B" = "1";"#,
        "is not the name of a variable",
    ),
    (r#"environment.A = "1\n2";"#, "Write it on one line."),
    (r#"pull = [ "llama3.2" ]; keepLoaded = "llama3.2";"#, ""),
    (
        r#"pull = [ "llama 3" ];"#,
        r#"ollama.pull: "llama 3" is not the name of a model"#,
    ),
    (
        r#"keepLoaded = "a b";"#,
        r#"ollama.keepLoaded: "a b" is not the name of a model"#,
    ),
    (
        r#"pull = [ "gpt-oss:120b-cloud" ];"#,
        "runs at ollama.com and not on this PC",
    ),
    (r#"pull = [ "gpt-oss:120b-cloud" ]; noCloud = false;"#, ""),
];

/// What the option's type refuses.
const REFUSED: &[&str] = &[
    "contextLength = 0;",
    "contextLength = \"4k\";",
    "kvCacheType = \"q5_0\";",
    "flashAttention = \"yes\";",
    "numParallel = 0;",
    "maxLoadedModels = -1;",
    "maxQueue = 0;",
    "noCloud = 1;",
    "origins = \"*\";",
    "environment.A = 1;",
    "pull = \"llama3.2\";",
];

pub fn models(nix: &Nix) -> Result<(), Failed> {
    judged(
        nix,
        "model-name.nix",
        &[
            ("llama3.2", ""),
            ("qwen3:8b", ""),
            ("me/own_model:Q4_K_M", ""),
            ("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_0", ""),
            ("http://192.168.1.9:5000/me/own:1", ""),
            ("pc.lan:5000/library/own", ""),
            ("llama 3.2", "is not the name of a model"),
            ("ollama run llama3.2", "is not the name of a model"),
            ("llama3.2:", "is not the name of a model"),
            (":8b", "is not the name of a model"),
            ("-x", "is not the name of a model"),
            ("a/b/c/d", "is not the name of a model"),
            ("my.name/own", "is not the name of a model"),
            ("http://own", "is not the name of a model"),
            ("", "is not the name of a model"),
            (
                "https://ollama.com/library/llama3.2",
                "Write the model's name, \"llama3.2\".",
            ),
            (
                "ollama.com/me/own:1",
                "Write the model's name, \"me/own:1\".",
            ),
        ],
    )
}

/// Ollama names a folder after the registry, with its port.
pub fn registries(nix: &Nix) -> Result<(), Failed> {
    for (drive, right) in [("\"LABEL=Models\"", false), ("null", true)] {
        let module = format!(
            "ollamalive.models.drive = lib.mkForce {drive}; ollamalive.ollama.pull = [ \"pc.lan/me/own\" \"pc.lan:5000/me/own\" ];"
        );
        let found = problems(nix, &module)?;
        let told = "\"pc.lan:5000/me/own\" names a registry with a port, but a folder on NTFS";
        match &found[..] {
            [] if right => {}
            [one] if !right && one.contains(told) => {}
            _ => return Err(format!("{drive}: {found:?}").into()),
        }
    }
    Ok(())
}

/// In one evaluation, for each takes seconds. The options' own modules are enough for it.
pub fn settings(nix: &Nix) -> Result<(), Failed> {
    let folder = common::root().join("modules");
    let options = |settings: &str| format!("{{ ollamalive.ollama = {{ {settings} }}; }}");
    let list: Vec<String> = CASES.iter().map(|case| options(case.0)).collect();
    let refused: Vec<String> = REFUSED.iter().map(|one| options(one)).collect();
    let answers = nix.ask(&format!(
        r#"appliance: let
          inherit (appliance.pkgs) lib;
          folder = /. + {};
          made = module: (lib.evalModules {{
            modules = [
              (folder + "/ollama-settings.nix")
              {{ inherit (import (folder + "/ollama-pull.nix") {{ config = {{ }}; inherit lib; pkgs = {{ }}; }}) options; }}
              {{ options.virtualisation = lib.mkOption {{ type = lib.types.anything; }}; }}
              module
            ];
          }}).config.ollamalive.ollama;
          problems = module: import (folder + "/ollama-problems.nix") {{ inherit lib; }} (made module);
        in {{
          problems = map problems [ {} ];
          taken = map (module: (builtins.tryEval (builtins.deepSeq (made module) true)).success) [ {} ];
        }}"#,
        quoted(&folder.display().to_string()),
        list.join(" "),
        refused.join(" "),
    ))?;
    let mut wrong = Vec::new();
    let problems: Vec<Vec<String>> = serde_json::from_value(answers["problems"].clone())?;
    for ((settings, words), found) in CASES.iter().zip(&problems) {
        let right = match &found[..] {
            [] => words.is_empty(),
            [one] => !words.is_empty() && one.contains(words) && !one.contains('\n'),
            _ => false,
        };
        if !right {
            wrong.push(format!("{settings} {found:?}, not {words:?}"));
        }
    }
    let taken: Vec<bool> = serde_json::from_value(answers["taken"].clone())?;
    for (settings, _) in REFUSED.iter().zip(&taken).filter(|one| *one.1) {
        wrong.push(format!("{settings} is taken"));
    }
    if (problems.len(), taken.len()) == (CASES.len(), REFUSED.len()) && wrong.is_empty() {
        return Ok(());
    }
    Err(wrong.join("\n").into())
}
