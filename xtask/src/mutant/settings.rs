//! Settings that do not reach Ollama, or that its owner did not make.

use super::Edit::{Replace, Set};
use super::{Mutant, in_both};

const SCRIPT: &str = "/scripts/docker-ollama-start";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        // A real server then asks for recommendations; the stub does not.
        also: &["ollama.keeps-to-itself"],
        ..in_both(
            "ollama.in-the-cloud",
            "Ollama asks ollama.com, although that is off",
            "ollama.has-its-settings",
            "OLLAMA_NO_CLOUD is",
            &[Replace(SCRIPT, "  -e OLLAMA_NO_CLOUD=1 \\\n", "")],
            r#"virtualisation.oci-containers.containers.ollama.environment.OLLAMA_NO_CLOUD = lib.mkForce "0";"#,
        )
    },
    in_both(
        "ollama.setting-unasked",
        "Ollama has a setting that its owner did not make",
        "ollama.has-its-settings",
        r#"OLLAMA_NUM_PARALLEL is "8""#,
        &[Replace(
            SCRIPT,
            "  --pull never \\\n",
            "  -e OLLAMA_NUM_PARALLEL=8 \\\n  --pull never \\\n",
        )],
        r#"virtualisation.oci-containers.containers.ollama.environment.OLLAMA_NUM_PARALLEL = "8";"#,
    ),
    in_both(
        "ollama.pulls-nothing",
        "a listed model is not downloaded, and nothing says so",
        "ollama.pulls-at-start",
        "llama3.2 is not there",
        &[Set("/ollama/pull", r#"["llama3.2"]"#)],
        r#"ollamalive.ollama.pull = [ "llama3.2" ]; systemd.services.ollama-pull.enable = lib.mkForce false;"#,
    ),
];
