//! The list of scenarios.

use super::Scenario;
use crate::disk_fixtures::{Damage, DiskSetup};

/// Every scenario, in the order in which they run.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "boot",
        about: "from power on to a quiet machine",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "system",
        about: "the machine is the one that was configured",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "ssh",
        about: "who can log in, and how",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "persist",
        about: "state that stays on the stick",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "docker",
        about: "containers and their state",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "ollama",
        about: "the Ollama server, asked from outside",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "gpu",
        about: "a GPU whose driver is late, loses it, or is not used",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "firewall",
        about: "what the network can reach, and what is sent to it",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "stick",
        about: "the first boot of a fresh stick, then a reboot, a power cut and a reflash",
        disks: DiskSetup::Fresh,
        boots: 4,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "broken-persist",
        about: "sticks with a damaged, full or duplicate PERSIST",
        disks: DiskSetup::Damaged(Damage::Garbage),
        boots: 5,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "no-drives",
        about: "a stick without PERSIST, no models drive",
        disks: DiskSetup::None,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "two-sticks",
        about: "a second stick that is plugged in as well, and a network that is there only after the containers",
        disks: DiskSetup::TwoSticks,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "update",
        about: "a PERSIST that an earlier version has used",
        disks: DiskSetup::FirstVersion,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "real-ollama",
        about: "a real Ollama: prompts, pulls, and the machine switched off in the middle of an answer",
        disks: DiskSetup::Complete,
        boots: 3,
        fault: false,
        real_ollama: true,
    },
    Scenario {
        name: "health",
        about: "what the machine says of itself while Ollama serves, and when it does not: one cause of each kind",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
        real_ollama: false,
    },
    Scenario {
        name: "causes",
        about: "every other cause for which Ollama does not serve",
        disks: DiskSetup::Causes,
        boots: 1,
        fault: true,
        real_ollama: false,
    },
    Scenario {
        name: "faults",
        about: "a container that is killed, drives that fail",
        disks: DiskSetup::BadSector,
        boots: 1,
        fault: true,
        real_ollama: false,
    },
    Scenario {
        name: "bad-day",
        about: "no cable, then an address that comes late; an empty clock battery; archives that cannot be used",
        disks: DiskSetup::BadDay,
        boots: 1,
        fault: true,
        real_ollama: false,
    },
];

/// The scenario called `name`.
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}
