//! The promises of `docker`.

use crate::scenario::Applies::Always;
use crate::scenario::{Promise, docker};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "docker.state-on-persist",
        sentence: "Docker's data root is on PERSIST and Docker waits for it",
        scenario: "docker",
        applies: Always,
        check: docker::state_on_persist::check,
    },
    Promise {
        id: "docker.prunes-weekly",
        sentence: "unused images are removed once a week, on a PC that is on for a few hours a day too; the configured one never is",
        scenario: "docker",
        applies: Always,
        check: docker::prunes_weekly::check,
    },
];
