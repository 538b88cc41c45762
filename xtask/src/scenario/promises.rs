//! The list of promises: what `test --list` prints, what the report shows, what the README's table is made of.

use super::{
    Promise, Scenario, boot, degraded_storage, docker, durability, fault, firewall, first_boot,
    ollama, persist, ssh, system,
};
use crate::disk_fixtures::{Damage, DiskSetup};

/// Every scenario, in the order in which they run.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "boot",
        about: "from power on to a quiet machine",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
    },
    Scenario {
        name: "system",
        about: "the machine is the one that was configured",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
    },
    Scenario {
        name: "ssh",
        about: "who gets in, and how",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
    },
    Scenario {
        name: "persist",
        about: "what is kept on the stick",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
    },
    Scenario {
        name: "docker",
        about: "containers and their state",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
    },
    Scenario {
        name: "ollama",
        about: "the server that all this is for",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
    },
    Scenario {
        name: "firewall",
        about: "what the network can reach",
        disks: DiskSetup::Complete,
        boots: 1,
        fault: false,
    },
    Scenario {
        name: "stick",
        about: "the first boot of a fresh stick, then a reboot, a power cut and a reflash",
        disks: DiskSetup::Fresh,
        boots: 4,
        fault: false,
    },
    Scenario {
        name: "broken-persist",
        about: "sticks that something has happened to",
        disks: DiskSetup::Damaged(Damage::Garbage),
        boots: 5,
        fault: false,
    },
    Scenario {
        name: "no-drives",
        about: "a stick without PERSIST, no models drive",
        disks: DiskSetup::None,
        boots: 1,
        fault: false,
    },
    Scenario {
        name: "two-sticks",
        about: "a second stick that is plugged in as well",
        disks: DiskSetup::TwoSticks,
        boots: 1,
        fault: false,
    },
    Scenario {
        name: "update",
        about: "a PERSIST that an earlier version has used",
        disks: DiskSetup::FirstVersion,
        boots: 1,
        fault: false,
    },
    Scenario {
        name: "faults",
        about: "a container that is killed, drives that fail",
        disks: DiskSetup::BadSector,
        boots: 1,
        fault: true,
    },
    Scenario {
        name: "bad-day",
        about: "no cable, then an address that comes late; an empty clock battery; a broken archive",
        disks: DiskSetup::BadDay,
        boots: 1,
        fault: true,
    },
];

/// Every promise, in the order of its scenario.
pub const PROMISES: &[Promise] = &[
    Promise {
        id: "boot.reaches-target",
        sentence: "boots to multi-user with no failed or restarting unit and no known-bad line on the console",
        scenario: "boot",
        check: boot::reaches_target::check,
    },
    Promise {
        id: "system.identity",
        sentence: "host name, time zone, keyboard, shell, user and groups are those of configuration.nix",
        scenario: "system",
        check: system::check,
    },
    Promise {
        id: "ssh.key-accepted",
        sentence: "a key on PERSIST logs in as the owner, and so does a key in ~/.ssh/authorized_keys",
        scenario: "ssh",
        check: ssh::key_accepted::check,
    },
    // Before the refusals: the server keeps a client whom it has refused a few times waiting.
    Promise {
        id: "ssh.modern-crypto",
        sentence: "the server offers only key exchanges, ciphers and MACs from the allowed list",
        scenario: "ssh",
        check: ssh::crypto::check,
    },
    Promise {
        id: "ssh.unknown-key-refused",
        sentence: "a key that nobody put on the machine is refused",
        scenario: "ssh",
        check: ssh::unknown_key::check,
    },
    Promise {
        id: "ssh.password-refused",
        sentence: "the right password is refused",
        scenario: "ssh",
        check: ssh::passwords::check_password,
    },
    Promise {
        id: "ssh.keyboard-interactive-refused",
        sentence: "the right password is refused when it is asked for by keyboard-interactive",
        scenario: "ssh",
        check: ssh::passwords::check_keyboard_interactive,
    },
    Promise {
        id: "ssh.empty-password-refused",
        sentence: "an account without a password cannot be entered with an empty one",
        scenario: "ssh",
        check: ssh::passwords::check_empty_password,
    },
    Promise {
        id: "ssh.root-refused",
        sentence: "root cannot log in, not even with the owner's key",
        scenario: "ssh",
        check: ssh::root::check,
    },
    Promise {
        id: "persist.mounted",
        sentence: "the PERSIST partition is mounted, writable, at /persist",
        scenario: "persist",
        check: persist::mounted::check,
    },
    Promise {
        id: "persist.bind-mounts",
        sentence: "each folder that is kept comes from its place on PERSIST and is writable",
        scenario: "persist",
        check: persist::bind_mounts::check,
    },
    Promise {
        id: "docker.state-on-persist",
        sentence: "Docker's data root is on PERSIST and Docker waits for it",
        scenario: "docker",
        check: docker::check,
    },
    Promise {
        id: "ollama.answers",
        sentence: "another machine gets Ollama's version after boot, and again after the container is killed",
        scenario: "ollama",
        check: ollama::answers::check,
    },
    Promise {
        id: "ollama.models-on-drive",
        sentence: "what the container writes to /root/.ollama is on the models drive under ollama/",
        scenario: "ollama",
        check: ollama::models_on_drive::check,
    },
    Promise {
        id: "ollama.without-gpu",
        sentence: "with no GPU the service still starts, on the CPU, and says so",
        scenario: "ollama",
        check: ollama::without_gpu::check,
    },
    Promise {
        id: "firewall.only-open-ports",
        sentence: "of all 65,535 TCP ports and the UDP ports tried, over IPv4 and IPv6, seen from another machine on the \
                   same segment, exactly SSH's and Ollama's answer",
        scenario: "firewall",
        check: firewall::open_ports::check,
    },
    Promise {
        id: "firewall.published-ports-contained",
        sentence: "a container that publishes another port does not open it to the network",
        scenario: "firewall",
        check: firewall::published_ports::check,
    },
    Promise {
        id: "persist.created-on-first-boot",
        sentence: "a freshly flashed stick makes its own PERSIST, to the end of the stick, with its folders",
        scenario: "stick",
        check: first_boot::persist_created::check,
    },
    Promise {
        id: "ssh.key-from-esp",
        sentence: "a key that is put on the stick's FAT partition logs in; what is no good key is refused by name",
        scenario: "stick",
        check: first_boot::esp_key::check,
    },
    Promise {
        id: "network.from-esp",
        sentence: "a connection that is put on the stick's FAT partition is NetworkManager's, and nobody else's",
        scenario: "stick",
        check: first_boot::esp_connection::check,
    },
    Promise {
        id: "ssh.identity-survives",
        sentence: "the host keys are the same after a reboot, a power cut and a reflash",
        scenario: "stick",
        check: durability::identity_survives,
    },
    Promise {
        id: "boot.comes-back-quietly",
        sentence: "after a reboot, a power cut and a reflash no unit has failed and no known-bad line is on the console",
        scenario: "stick",
        check: durability::comes_back_quietly,
    },
    Promise {
        id: "persist.survives-power-cut",
        sentence: "what was written and synced before a power cut is there after it, byte for byte",
        scenario: "stick",
        check: durability::survives_power_cut,
    },
    Promise {
        id: "persist.survives-reflash",
        sentence: "what was written before a new image is flashed is there after it, byte for byte",
        scenario: "stick",
        check: durability::survives_reflash,
    },
    Promise {
        id: "persist.forgets-the-rest",
        sentence: "what is written to any other place is gone after a restart",
        scenario: "stick",
        check: durability::forgets_the_rest,
    },
    Promise {
        id: "boot.broken-persist",
        sentence: "boots, lets the owner in, says what is wrong and formats nothing when PERSIST is noise, longer than \
                   the stick, full, write-protected, or there twice",
        scenario: "broken-persist",
        check: degraded_storage::damaged_persist::check,
    },
    Promise {
        id: "persist.of-the-booted-stick",
        sentence: "of two sticks with a PERSIST, the one that the machine was started from is used",
        scenario: "two-sticks",
        check: degraded_storage::booted_stick::check,
    },
    Promise {
        id: "update.from-previous",
        sentence: "a PERSIST made for the first version is used as it is: identity, keys, home; and grows",
        scenario: "update",
        check: degraded_storage::earlier_version::check,
    },
    Promise {
        id: "boot.no-drives",
        sentence: "boots and answers SSH with neither PERSIST nor the models drive present, and says what is missing",
        scenario: "no-drives",
        check: boot::no_drives::check,
    },
    Promise {
        id: "fault.container-killed",
        sentence: "Ollama answers again each time when its container is killed five times in a row",
        scenario: "faults",
        check: fault::container_killed::check,
    },
    Promise {
        id: "fault.persist-fills-up",
        sentence: "with not a byte free on PERSIST the owner gets in and Ollama answers; with room again it writes",
        scenario: "faults",
        check: fault::persist_fills_up::check,
    },
    Promise {
        id: "fault.drive-errors",
        sentence: "a sector of the models drive that cannot be read costs the file on it and nothing else",
        scenario: "faults",
        check: fault::drive_errors::check,
    },
    Promise {
        id: "fault.drive-pulled",
        sentence: "when the models drive is pulled out, SSH and Ollama go on; plugged in again, a restart of Ollama brings its models back",
        scenario: "faults",
        check: fault::drive_pulled::check,
    },
    Promise {
        id: "fault.no-network",
        sentence: "boots without a failed unit when no cable is plugged in, and is reachable when one is",
        scenario: "bad-day",
        check: fault::no_network::check,
    },
    Promise {
        id: "fault.dhcp-late",
        sentence: "gets its address from a DHCP server that comes up 60 s late",
        scenario: "bad-day",
        check: fault::dhcp_late::check,
    },
    Promise {
        id: "fault.clock-at-1970",
        sentence: "boots, lets the owner in and runs Ollama when the clock's battery is empty",
        scenario: "bad-day",
        check: fault::clock_at_1970::check,
    },
    Promise {
        id: "fault.archive-corrupt",
        sentence: "an image archive that cannot be read is named and skipped, and the next one is used",
        scenario: "bad-day",
        check: fault::archive_corrupt::check,
    },
];

/// The scenario called `name`.
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// The promises of `scenarios`, in their order.
pub fn promises_of(scenarios: &[&'static Scenario]) -> Vec<&'static Promise> {
    let ours = |scenario: &&Scenario| {
        let name = scenario.name;
        PROMISES
            .iter()
            .filter(move |promise| promise.scenario == name)
    };
    scenarios.iter().flat_map(ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_has_a_scenario_and_its_own_id() {
        for (index, promise) in PROMISES.iter().enumerate() {
            assert!(scenario(promise.scenario).is_some(), "{}", promise.id);
            assert!(
                PROMISES[..index].iter().all(|other| other.id != promise.id),
                "{} twice",
                promise.id
            );
        }
        for scenario in SCENARIOS {
            assert!(
                PROMISES
                    .iter()
                    .any(|promise| promise.scenario == scenario.name),
                "{} is empty",
                scenario.name
            );
        }
    }
}
