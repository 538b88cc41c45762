//! The promises of `health` and `causes`: what the machine says of itself, and when.

use crate::scenario::Applies::{Always, WithModelsDrive, WithoutGpu};
use crate::scenario::{Promise, health};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "health.told",
        sentence: "`ollamalive status` says whether Ollama serves and what limits it, without root; banner, unit and journal say the same",
        scenario: "health",
        applies: WithoutGpu,
        check: health::check_told,
    },
    Promise {
        id: "health.network",
        sentence: "a network without a name server is named, and not any more when it has one",
        scenario: "health",
        applies: Always,
        check: health::check_network,
    },
    Promise {
        id: "health.drive",
        sentence: "of two drives with the name of the models drive none is taken, and that is said",
        scenario: "health",
        applies: WithModelsDrive,
        check: health::check_drive,
    },
    Promise {
        id: "health.container",
        sentence: "a container that ends at once, and another program on its port, are named within a minute",
        scenario: "health",
        applies: Always,
        check: health::check_container,
    },
    Promise {
        id: "health.persist",
        sentence: "a full PERSIST is named, and not any more when there is room",
        scenario: "health",
        applies: Always,
        check: health::check_persist,
    },
    Promise {
        id: "health.gpu",
        sentence: "a GPU that the container has lost is named",
        scenario: "health",
        applies: WithoutGpu,
        check: health::check_gpu,
    },
    Promise {
        id: "health.cable",
        sentence: "a cable that is pulled, a network without addresses, and a PC without a network card are named",
        scenario: "causes",
        applies: Always,
        check: health::check_cable,
    },
    Promise {
        id: "health.drives",
        sentence: "a models drive that is missing, encrypted, damaged, hibernated, read-only or not NTFS is named",
        scenario: "causes",
        applies: WithModelsDrive,
        check: health::check_drives,
    },
    Promise {
        id: "health.image",
        sentence: "an image for another processor, a damaged one, and archives that cannot be used are named; a damaged one is loaded again",
        scenario: "causes",
        applies: Always,
        check: health::check_image,
    },
    Promise {
        id: "health.registry",
        sentence: "a registry that does not answer, does not know the image or refuses more downloads is named",
        scenario: "causes",
        applies: Always,
        check: health::check_registry,
    },
    Promise {
        id: "health.stopped",
        sentence: "a server that was stopped or does not answer, and Docker that does not run, are named",
        scenario: "causes",
        applies: Always,
        check: health::check_stopped,
    },
];
