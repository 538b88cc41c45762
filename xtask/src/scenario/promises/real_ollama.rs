//! The promises of `real-ollama`: what only a real server answers.

use crate::scenario::Applies::Always;
use crate::scenario::{Promise, real_ollama};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "ollama.openai-api",
        sentence: "Open WebUI and other clients of OpenAI's API see the models and get answers",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::openai_api::check,
    },
    Promise {
        id: "ollama.many",
        sentence: "32 clients at once each get their answer",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::many::check,
    },
    Promise {
        id: "ollama.survives-oom",
        sentence: "a model that is larger than memory, or whose file is cut off, is an error, and the server goes on",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::out_of_memory::check,
    },
    Promise {
        id: "ollama.pulls",
        sentence: "pulls a model to the folder for models, by name as soon as the name server answers; a registry that refuses or \
                   sends garbage is an error",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::pulls::check,
    },
    Promise {
        id: "ollama.survives-full-drive",
        sentence: "a pull that fills the models drive is an error that says so: the models that were there answer, and the pull \
                   succeeds once there is room",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::full_drive::check,
    },
    Promise {
        id: "ollama.keeps-partial-downloads",
        sentence: "an interrupted pull goes on where it was, hours and a restart later; old blobs that no model names are removed",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::partial_downloads::check,
    },
    Promise {
        id: "ollama.generates",
        sentence: "answers a prompt, whole and streamed, and again after the container was killed and after a reboot",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::generates,
    },
    Promise {
        id: "ollama.stops-clean",
        sentence: "the machine can be switched off in the middle of an answer, and nothing is killed by a timeout",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::stops_clean,
    },
    Promise {
        id: "ollama.identity-on-persist",
        sentence: "Ollama's private key is on PERSIST, readable by root only; one that is beside the models is moved there",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::identity_on_persist,
    },
];
