//! The promises of `system`: what the system is, and what it leaves alone.

use crate::scenario::Applies::Always;
use crate::scenario::{Promise, network, system};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "system.identity",
        sentence: "host name, time zone, keyboard, shell, user and groups are those of configuration.nix",
        scenario: "system",
        applies: Always,
        check: system::check,
    },
    Promise {
        id: "system.leaves-the-clock",
        sentence: "the hardware clock keeps the zone's local time, as Windows does, and the system's own time is right",
        scenario: "system",
        applies: Always,
        check: system::clock::check,
    },
    Promise {
        id: "system.leaves-the-disks",
        sentence: "of the PC's own disks, except for the models drive, no partition is mounted or used as swap, and no byte changes",
        scenario: "system",
        applies: Always,
        check: system::disks::check,
    },
    Promise {
        id: "network.only-its-name-server",
        sentence: "names are looked up with the name server that the network gives, and nowhere else: neither with the \
                   neighbours (mDNS, LLMNR) nor with a public server",
        scenario: "system",
        applies: Always,
        check: network::only_its_name_server::check,
    },
];
