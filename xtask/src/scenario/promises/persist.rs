//! The promises of `persist`: what outlives a boot.

use crate::scenario::Applies::Always;
use crate::scenario::{Promise, persist};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "persist.mounted",
        sentence: "the PERSIST partition is mounted at /persist and writable",
        scenario: "persist",
        applies: Always,
        check: persist::mounted::check,
    },
    Promise {
        id: "persist.bind-mounts",
        sentence: "each persistent folder is mounted from its place on PERSIST and is writable",
        scenario: "persist",
        applies: Always,
        check: persist::bind_mounts::check,
    },
];
