//! The promises of `ollama`: the service around the server.

use crate::scenario::Applies::{
    Always, WhereModelsAreFound, WithModelsDrive, WithModelsToPull, WithoutGpu, WithoutModelsDrive,
};
use crate::scenario::{Promise, ollama};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "ollama.answers",
        sentence: "another machine gets Ollama's version after boot, and again after the container is killed",
        scenario: "ollama",
        applies: Always,
        check: ollama::answers::check,
    },
    Promise {
        id: "ollama.models-on-drive",
        sentence: "models, which the container writes to /root/.ollama/models, are on the models drive",
        scenario: "ollama",
        applies: WithModelsDrive,
        check: ollama::models_on_drive::check,
    },
    Promise {
        id: "ollama.finds-models",
        sentence: "models that an Ollama in Windows left in ollama/ or at the top of the drive are served; models in a second folder are named, and no folder is created beside them",
        scenario: "ollama",
        applies: WhereModelsAreFound,
        check: ollama::finds_models::check,
    },
    Promise {
        id: "ollama.models-on-persist",
        sentence: "without a models drive, models, which the container writes to /root/.ollama/models, are on PERSIST",
        scenario: "ollama",
        applies: WithoutModelsDrive,
        check: ollama::models_on_persist::check,
    },
    Promise {
        id: "ollama.warns-of-space",
        sentence: "little room for models is reported at login, with what to do",
        scenario: "ollama",
        applies: Always,
        check: ollama::warns_of_space::check,
    },
    Promise {
        id: "ollama.without-gpu",
        sentence: "with no GPU the service still starts, on the CPU, and reports it",
        scenario: "ollama",
        applies: WithoutGpu,
        check: ollama::without_gpu::check,
    },
    Promise {
        id: "ollama.contained",
        sentence: "Ollama's container has no capabilities, gains no privileges, and sees nothing of the PC but the models and the GPU",
        scenario: "ollama",
        applies: Always,
        check: ollama::contained::check,
    },
    Promise {
        id: "ollama.has-its-settings",
        sentence: "the server's environment has each setting that the owner made, and none that is left to Ollama",
        scenario: "ollama",
        applies: Always,
        check: ollama::has_settings::check,
    },
    Promise {
        id: "ollama.pulls-at-start",
        sentence: "each model that the owner lists is downloaded when Ollama starts, or the login banner says why it is not",
        scenario: "ollama",
        applies: WithModelsToPull,
        check: ollama::pulls_at_start::check,
    },
];
