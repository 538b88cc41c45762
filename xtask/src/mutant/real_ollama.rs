//! A real server that does not answer, loses what it has, or does not stop.

use super::Edit::{Append, Replace};
use super::{Mutant, in_both, mutant};

const START: &str = "/scripts/docker-ollama-start";
const PRE_START: &str = "/scripts/docker-ollama-pre-start";
const HOST: &str = "  -e OLLAMA_HOST=";
/// What breaks along with models that cannot be loaded.
const NO_ANSWERS: &[&str] = &[
    "ollama.many",
    "ollama.survives-oom",
    "ollama.pulls",
    "ollama.survives-full-drive",
    "ollama.keeps-partial-downloads",
    "ollama.generates",
    "ollama.stops-clean",
    "ollama.identity-on-persist",
];

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        also: NO_ANSWERS,
        ..in_both(
            "ollama.no-time-to-load",
            "models get a millisecond to load",
            "ollama.openai-api",
            "/v1/chat/completions: 500",
            &[Replace(
                START,
                HOST,
                "  -e OLLAMA_LOAD_TIMEOUT=1ms \\\n  -e OLLAMA_HOST=",
            )],
            r#"virtualisation.oci-containers.containers.ollama.environment.OLLAMA_LOAD_TIMEOUT = "1ms";"#,
        )
    },
    in_both(
        "ollama.short-queue",
        "only one request may wait",
        "ollama.many",
        "clients got no right answer",
        &[Replace(
            START,
            HOST,
            "  -e OLLAMA_MAX_QUEUE=1 \\\n  -e OLLAMA_HOST=",
        )],
        r#"virtualisation.oci-containers.containers.ollama.environment.OLLAMA_MAX_QUEUE = lib.mkForce "1";"#,
    ),
    Mutant {
        alone: true,
        ..in_both(
            "ollama.panics-without-memory",
            "the kernel gives more memory than it has, and panics when it is used",
            "ollama.survives-oom",
            "another model afterwards",
            &[
                Append(
                    "/tmpfiles",
                    r#""w /proc/sys/vm/overcommit_memory - - - - 1""#,
                ),
                Append("/tmpfiles", r#""w /proc/sys/vm/panic_on_oom - - - - 2""#),
            ],
            r#"boot.kernel.sysctl = { "vm.overcommit_memory" = lib.mkForce 1; "vm.panic_on_oom" = 2; };"#,
        )
    },
    Mutant {
        also: &[
            "ollama.survives-full-drive",
            "ollama.keeps-partial-downloads",
        ],
        ..in_both(
            "ollama.dead-proxy",
            "pulls go through a proxy that is not there",
            "ollama.pulls",
            "the pull failed",
            &[Replace(
                START,
                HOST,
                "  -e HTTP_PROXY=http://127.0.0.1:9 \\\n  -e OLLAMA_HOST=",
            )],
            r#"virtualisation.oci-containers.containers.ollama.environment.HTTP_PROXY = "http://127.0.0.1:9";"#,
        )
    },
    Mutant {
        also: &["docker.resolves-late"],
        ..in_both(
            "ollama.wrong-name-server",
            "the container asks a name server that is not there",
            "ollama.pulls",
            "lookup models.lan.test",
            &[Replace(
                START,
                HOST,
                "  --dns=192.0.2.53 \\\n  -e OLLAMA_HOST=",
            )],
            r#"virtualisation.oci-containers.containers.ollama.extraOptions = [ "--dns=192.0.2.53" ];"#,
        )
    },
    Mutant {
        also: &[
            "ollama.keeps-partial-downloads",
            "ollama.generates",
            "ollama.stops-clean",
            "ollama.identity-on-persist",
        ],
        alone: true,
        ..in_both(
            "ollama.blobs-in-memory",
            "what models consist of is in the container's memory",
            "ollama.survives-full-drive",
            "a pull onto the full drive is a success",
            &[Replace(
                START,
                HOST,
                "  --tmpfs=/root/.ollama/models/blobs \\\n  -e OLLAMA_HOST=",
            )],
            r#"virtualisation.oci-containers.containers.ollama.extraOptions = [ "--tmpfs=/root/.ollama/models/blobs" ];"#,
        )
    },
    in_both(
        "ollama.forgets-downloads",
        "Ollama deletes what an interrupted pull has left",
        "ollama.keeps-partial-downloads",
        "what had been downloaded is gone after the restart",
        &[Replace(START, "OLLAMA_NOPRUNE=1", "OLLAMA_NOPRUNE=0")],
        r#"virtualisation.oci-containers.containers.ollama.environment.OLLAMA_NOPRUNE = lib.mkForce "0";"#,
    ),
    mutant(
        "ollama.keeps-old-blobs",
        "blobs that no model names are never removed",
        "ollama.keeps-partial-downloads",
        "a blob of yesterday that no model names is still there",
        &[Replace(PRE_START, "-mmin +10080", "-mmin +100800")],
        None,
    ),
    mutant(
        "ollama.removes-new-blobs",
        "blobs that no model names yet are removed at once",
        "ollama.keeps-partial-downloads",
        "a blob that has just come is gone",
        &[Replace(PRE_START, "-mmin +10080", "-mmin -10080")],
        None,
    ),
    Mutant {
        also: &[
            "ollama.pulls",
            "ollama.survives-full-drive",
            "ollama.keeps-partial-downloads",
        ],
        ..in_both(
            "ollama.models-in-memory",
            "models are in the container's memory",
            "ollama.generates",
            "after the container was killed: /api/generate: 404",
            &[Replace(
                START,
                HOST,
                "  -e OLLAMA_MODELS=/tmp/models \\\n  -e OLLAMA_HOST=",
            )],
            r#"virtualisation.oci-containers.containers.ollama.environment.OLLAMA_MODELS = "/tmp/models";"#,
        )
    },
    in_both(
        "ollama.deaf-to-stop",
        "the server does not hear the signal to stop",
        "ollama.stops-clean",
        "using the force",
        &[Replace(
            START,
            HOST,
            "  --stop-signal=SIGWINCH \\\n  -e OLLAMA_HOST=",
        )],
        r#"virtualisation.oci-containers.containers.ollama.extraOptions = [ "--stop-signal=SIGWINCH" ];"#,
    ),
    in_both(
        "ollama.key-beside-models",
        "Ollama's private key is on the models drive",
        "ollama.identity-on-persist",
        "there are keys beside the models",
        &[Replace(
            START,
            "-v /persist/ollama:",
            "-v /mnt/models/ollama:",
        )],
        r#"virtualisation.oci-containers.containers.ollama.volumes = lib.mkForce [ "/mnt/models/ollama:/root/.ollama" "/run/ollamalive/models:/root/.ollama/models" ];"#,
    ),
    mutant(
        "ollama.key-for-all",
        "everyone can read Ollama's private key",
        "ollama.identity-on-persist",
        "the private key's rights are 644 root",
        &[Replace(
            PRE_START,
            "  chmod 600 \"$state/$key\"\n",
            "  chmod 644 \"$state/$key\"\n",
        )],
        None,
    ),
];
