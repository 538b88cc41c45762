//! The list of promises. `test --list`, the report and the README's table come from it.

use super::Applies::{
    Always, WithAllowedNetworks, WithModelsDrive, WithModelsToPull, WithoutGpu, WithoutModelsDrive,
};
use super::{
    Promise, Scenario, boot, degraded_storage, docker, durability, fault, firewall, first_boot,
    gpu, health, network, ollama, persist, real_ollama, ssh, system,
};

/// Every promise, in the order of its scenario.
pub const PROMISES: &[Promise] = &[
    Promise {
        id: "boot.reaches-target",
        sentence: "boots to multi-user with no failed or restarting unit and no known-bad line on the console",
        scenario: "boot",
        applies: Always,
        check: boot::reaches_target::check,
    },
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
        sentence: "of the PC's own disks no partition is mounted or used as swap, and no byte changes",
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
    Promise {
        id: "ssh.key-accepted",
        sentence: "a key on PERSIST logs in as the owner, and so does a key in ~/.ssh/authorized_keys",
        scenario: "ssh",
        applies: Always,
        check: ssh::key_accepted::check,
    },
    // Before the refusals: the server delays a client that it has refused a few times.
    Promise {
        id: "ssh.modern-crypto",
        sentence: "the server offers only current key exchanges, ciphers and MACs",
        scenario: "ssh",
        applies: Always,
        check: ssh::crypto::check,
    },
    Promise {
        id: "ssh.forwards-only-tcp",
        sentence: "a session forwards local TCP ports (as to Ollama) and nothing else: no X11, agent, remote port, variable, socket or tunnel",
        scenario: "ssh",
        applies: Always,
        check: ssh::forwards::check,
    },
    Promise {
        id: "ssh.unknown-key-refused",
        sentence: "a key that is not authorized is refused",
        scenario: "ssh",
        applies: Always,
        check: ssh::unknown_key::check,
    },
    Promise {
        id: "ssh.password-refused",
        sentence: "the correct password is refused",
        scenario: "ssh",
        applies: Always,
        check: ssh::passwords::check_password,
    },
    Promise {
        id: "ssh.keyboard-interactive-refused",
        sentence: "the correct password is refused over keyboard-interactive as well",
        scenario: "ssh",
        applies: Always,
        check: ssh::passwords::check_keyboard_interactive,
    },
    Promise {
        id: "ssh.empty-password-refused",
        sentence: "an empty password does not log in to an account without a password",
        scenario: "ssh",
        applies: Always,
        check: ssh::passwords::check_empty_password,
    },
    Promise {
        id: "ssh.root-refused",
        sentence: "root cannot log in, not even with the owner's key",
        scenario: "ssh",
        applies: Always,
        check: ssh::root::check,
    },
    Promise {
        id: "ssh.strict-modes",
        sentence: "a key is refused while other accounts can write its file or folder",
        scenario: "ssh",
        applies: Always,
        check: ssh::strict_modes::check,
    },
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
    Promise {
        id: "ollama.answers",
        sentence: "another machine gets Ollama's version after boot, and again after the container is killed",
        scenario: "ollama",
        applies: Always,
        check: ollama::answers::check,
    },
    Promise {
        id: "ollama.models-on-drive",
        sentence: "files that the container writes to /root/.ollama are on the models drive under ollama/",
        scenario: "ollama",
        applies: WithModelsDrive,
        check: ollama::models_on_drive::check,
    },
    Promise {
        id: "ollama.models-on-persist",
        sentence: "without a models drive, files that the container writes to /root/.ollama are on PERSIST",
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
    Promise {
        id: "gpu.late-driver",
        sentence: "when the GPU's driver loads late, Ollama is restarted and gets the GPU",
        scenario: "gpu",
        applies: WithoutGpu,
        check: gpu::late_driver::check,
    },
    Promise {
        id: "gpu.survives-daemon-reload",
        sentence: "Ollama's container still has the GPU's devices after systemctl daemon-reload",
        scenario: "gpu",
        applies: Always,
        check: gpu::survives_daemon_reload::check,
    },
    Promise {
        id: "gpu.cpu-reported",
        sentence: "an Ollama that computes on the CPU beside a GPU is restarted once; if that does not help, the login banner says so",
        scenario: "gpu",
        applies: WithoutGpu,
        check: gpu::on_the_cpu::check,
    },
    Promise {
        id: "gpu.empty-list",
        sentence: "when the driver lists no GPU, Ollama starts on the CPU",
        scenario: "gpu",
        applies: WithoutGpu,
        check: gpu::empty_list::check,
    },
    Promise {
        id: "firewall.only-open-ports",
        sentence: "of all 65,535 TCP and all 65,535 UDP ports, over IPv4 and IPv6, tried from another machine on the same \
                   segment, the firewall lets only the SSH and Ollama ports through",
        scenario: "firewall",
        applies: Always,
        check: firewall::open_ports::check,
    },
    Promise {
        id: "firewall.only-allowed-networks",
        sentence: "only the allowed networks reach Ollama, over IPv4 and IPv6; every network reaches SSH",
        scenario: "firewall",
        applies: WithAllowedNetworks,
        check: firewall::allowed_networks::check,
    },
    Promise {
        id: "firewall.published-ports-contained",
        sentence: "a container that publishes another port does not open it to the network",
        scenario: "firewall",
        applies: Always,
        check: firewall::published_ports::check,
    },
    // Last on its machine: by then it has been listened to for long enough.
    Promise {
        id: "ollama.keeps-to-itself",
        sentence: "the machine sends nothing to the outside that its owner did not ask for, but DHCP, neighbour discovery, DNS for time servers and NTP",
        scenario: "firewall",
        applies: Always,
        check: firewall::keeps_to_itself::check,
    },
    Promise {
        id: "persist.created-on-first-boot",
        sentence: "a freshly flashed stick creates PERSIST on its first boot, up to the end of the stick, with its folders",
        scenario: "stick",
        applies: Always,
        check: first_boot::persist_created::check,
    },
    Promise {
        id: "ssh.key-from-esp",
        sentence: "a key on the stick's FAT partition logs in; invalid and weak keys are refused by name",
        scenario: "stick",
        applies: Always,
        check: first_boot::esp_key::check,
    },
    Promise {
        id: "network.from-esp",
        sentence: "a connection on the stick's FAT partition is imported into NetworkManager, readable by root only",
        scenario: "stick",
        applies: Always,
        check: first_boot::esp_connection::check,
    },
    Promise {
        id: "ssh.identity-survives",
        sentence: "the host keys are the same after a reboot, a power cut and a reflash",
        scenario: "stick",
        applies: Always,
        check: durability::identity_survives,
    },
    Promise {
        id: "system.time-from-network",
        sentence: "the network sets the machine's time, and after a shutdown the hardware clock still keeps local time",
        scenario: "stick",
        applies: Always,
        check: durability::time_from_network,
    },
    Promise {
        id: "boot.comes-back-quietly",
        sentence: "after a reboot, a power cut and a reflash no unit has failed and no known-bad line is on the console",
        scenario: "stick",
        applies: Always,
        check: durability::comes_back_quietly,
    },
    Promise {
        id: "persist.survives-power-cut",
        sentence: "data written and synced before a power cut is still there afterwards, byte for byte",
        scenario: "stick",
        applies: Always,
        check: durability::survives_power_cut,
    },
    Promise {
        id: "persist.survives-reflash",
        sentence: "data written before a new image is flashed is still there afterwards, byte for byte",
        scenario: "stick",
        applies: Always,
        check: durability::survives_reflash,
    },
    Promise {
        id: "persist.forgets-the-rest",
        sentence: "files written anywhere else are gone after a restart",
        scenario: "stick",
        applies: Always,
        check: durability::forgets_the_rest,
    },
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
        id: "update.from-previous",
        sentence: "a PERSIST made by the first version keeps its identity, keys and home, and grows",
        scenario: "update",
        applies: Always,
        check: degraded_storage::earlier_version::check,
    },
    Promise {
        id: "boot.no-drives",
        sentence: "boots and answers SSH with neither PERSIST nor the models drive present, and reports both as missing",
        scenario: "no-drives",
        applies: Always,
        check: boot::no_drives::check,
    },
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
        sentence: "a model that is larger than memory is an error, and the server goes on",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::out_of_memory::check,
    },
    Promise {
        id: "ollama.pulls",
        sentence: "pulls a model to the folder for models, and a registry that refuses or sends garbage is an error",
        scenario: "real-ollama",
        applies: Always,
        check: real_ollama::pulls::check,
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
    Promise {
        id: "fault.container-killed",
        sentence: "Ollama answers again each time when its container is killed five times in a row",
        scenario: "faults",
        applies: Always,
        check: fault::container_killed::check,
    },
    Promise {
        id: "fault.persist-fills-up",
        sentence: "with no byte free on PERSIST the owner's key logs in and Ollama answers; once space is freed, writes succeed",
        scenario: "faults",
        applies: Always,
        check: fault::persist_fills_up::check,
    },
    Promise {
        id: "fault.drive-errors",
        sentence: "an unreadable sector of the models drive loses only the file stored there",
        scenario: "faults",
        applies: WithModelsDrive,
        check: fault::drive_errors::check,
    },
    Promise {
        id: "fault.drive-pulled",
        sentence: "when the models drive is pulled out, SSH and Ollama keep answering; plugged in again, a restart of Ollama brings its models back",
        scenario: "faults",
        applies: WithModelsDrive,
        check: fault::drive_pulled::check,
    },
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
        sentence: "a cable that is pulled, and a network without addresses, are named",
        scenario: "causes",
        applies: Always,
        check: health::check_cable,
    },
    Promise {
        id: "health.drives",
        sentence: "a models drive that is missing, encrypted, damaged, hibernated or not NTFS is named",
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
        id: "health.stopped",
        sentence: "a server that was stopped or does not answer, and Docker that does not run, are named",
        scenario: "causes",
        applies: Always,
        check: health::check_stopped,
    },
    Promise {
        id: "fault.no-network",
        sentence: "boots without a failed unit when no cable is plugged in, and is reachable once one is",
        scenario: "bad-day",
        applies: Always,
        check: fault::no_network::check,
    },
    Promise {
        id: "fault.dhcp-late",
        sentence: "gets its address from a DHCP server that comes up 60 s late",
        scenario: "bad-day",
        applies: Always,
        check: fault::dhcp_late::check,
    },
    Promise {
        id: "fault.clock-at-1970",
        sentence: "boots, accepts the owner's key and runs Ollama when the RTC battery is dead",
        scenario: "bad-day",
        applies: Always,
        check: fault::clock_at_1970::check,
    },
    Promise {
        id: "fault.archive-corrupt",
        sentence: "an image archive that is unreadable, or holds another image, is named and skipped; the next one is used, and \
                   its digest is said to be unchecked",
        scenario: "bad-day",
        applies: Always,
        check: fault::archive_corrupt::check,
    },
    Promise {
        id: "fault.image-swapped",
        sentence: "another image under the configured name is not run: the configured one is fetched again",
        scenario: "bad-day",
        applies: Always,
        check: fault::image_swapped::check,
    },
    Promise {
        id: "health.clock",
        sentence: "a clock that is days off is named",
        scenario: "bad-day",
        applies: Always,
        check: health::check_clock,
    },
];

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
    use crate::scenario::{SCENARIOS, scenario};

    #[test]
    fn ids_are_unique_and_scenarios_match() {
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
