//! The promises of `layout-1` and of the scenarios about updates.

use crate::scenario::Applies::{Always, WithUpdates};
use crate::scenario::{Promise, update};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "update.moves-from-layout-1",
        sentence: "the commands for sticks of layout 1 bring the machine's identity, keys and files to a stick of layout 2",
        scenario: "layout-1",
        applies: Always,
        check: update::moves_from_layout_1,
    },
    // In this order: each finds the machine as the one before has left it.
    Promise {
        id: "update.refuses",
        sentence: "a release is not installed that is not signed by the right key, was changed, is older, damaged or for another stick, \
                   or does not arrive whole, and nothing is changed then",
        scenario: "update",
        applies: WithUpdates,
        check: update::refuses,
    },
    Promise {
        id: "update.falls-back",
        sentence: "a new version that does not start is tried three times; then the version before runs again, says so, and does not \
                   take the same one a second time",
        scenario: "update",
        applies: WithUpdates,
        check: update::falls_back,
    },
    Promise {
        id: "update.from-network",
        sentence: "a signed release is fetched into the other slot with less than 200 MiB of memory, and runs after the next restart, \
                   also where another one was undone before",
        scenario: "update",
        applies: WithUpdates,
        check: update::from_network,
    },
    Promise {
        id: "update.keeps-persist",
        sentence: "after an update the host keys, the machine ID, PERSIST and a file of the owner's are the same",
        scenario: "update",
        applies: WithUpdates,
        check: update::keeps_persist,
    },
    Promise {
        id: "boot.store-damaged",
        sentence: "a byte of the system that changed on the stick is found before anything of its block runs",
        scenario: "update-faults",
        applies: WithUpdates,
        check: update::store_damaged,
    },
    Promise {
        id: "update.undoes-crashes",
        sentence: "a new version that panics, hangs or is switched off while it starts is given up after three tries, without a hand",
        scenario: "update-faults",
        applies: WithUpdates,
        check: update::undoes_crashes,
    },
    Promise {
        id: "update.by-push",
        sentence: "cargo xtask update sends a new version over SSH; one whose SSH is broken is undone without a hand, and the command says so",
        scenario: "update-push",
        applies: WithUpdates,
        check: update::by_push,
    },
    Promise {
        id: "update.twice",
        sentence: "a second update goes into the slot that the first one left, and never over the system that runs",
        scenario: "update-push",
        applies: WithUpdates,
        check: update::twice,
    },
    Promise {
        id: "update.survives-power-cut",
        sentence: "after a power cut at any moment of an update, the version before or the new one runs, and PERSIST is as it was",
        scenario: "update-power-cuts",
        applies: WithUpdates,
        check: update::survives_power_cut,
    },
];
