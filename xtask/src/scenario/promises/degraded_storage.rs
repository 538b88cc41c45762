//! The promises of `broken-persist`, `two-sticks` and `no-drives`: a stick or a drive that is damaged, doubled or missing.

use crate::scenario::Applies::Always;
use crate::scenario::{Promise, boot, degraded_storage, docker};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "boot.broken-persist",
        sentence: "boots, accepts the owner's key, reports the damage and formats nothing when PERSIST is garbled, longer \
                   than the stick, full, write-protected, or duplicated",
        scenario: "broken-persist",
        applies: Always,
        check: degraded_storage::damaged_persist::check,
    },
    // First: it plugs the cable in.
    Promise {
        id: "docker.resolves-late",
        sentence: "a container on the host's network that starts before the machine has an address resolves names as soon as \
                   the network is there",
        scenario: "two-sticks",
        applies: Always,
        check: docker::resolves_late::check,
    },
    Promise {
        id: "persist.of-the-booted-stick",
        sentence: "of two sticks with a PERSIST, the one that the machine was booted from is used",
        scenario: "two-sticks",
        applies: Always,
        check: degraded_storage::booted_stick::check,
    },
    Promise {
        id: "boot.no-drives",
        sentence: "boots and answers SSH from a stick that is too small for PERSIST, without a models drive, and reports both",
        scenario: "no-drives",
        applies: Always,
        check: boot::no_drives::check,
    },
];
