//! The promises of `stick`: a stick from its first boot to a new image.

use crate::scenario::Applies::Always;
use crate::scenario::{Promise, durability, first_boot};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "persist.created-on-first-boot",
        sentence: "a freshly flashed stick creates PERSIST on its first boot, up to the end of the stick, with its folders",
        scenario: "stick",
        applies: Always,
        check: first_boot::persist_created::check,
    },
    Promise {
        id: "ssh.key-from-esp",
        sentence: "keys on the stick's FAT partition log in, Notepad's too; weak keys and lines that sshd would not take are refused by name",
        scenario: "stick",
        applies: Always,
        check: first_boot::esp_key::check,
    },
    Promise {
        id: "network.from-esp",
        sentence: "connections on the stick's FAT partition are imported into NetworkManager once, readable by root only; what it would not take is refused by name",
        scenario: "stick",
        applies: Always,
        check: first_boot::esp_connection::check,
    },
    Promise {
        id: "stick.reports-files",
        sentence: "the stick's FAT partition says what became of each of the owner's files; it is written only when that changes, and one that cannot be written breaks nothing",
        scenario: "stick",
        applies: Always,
        check: first_boot::report::check,
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
        id: "persist.survives-emptied-ends",
        sentence: "a full PERSIST keeps every byte when the first and the last MiB of the stick are emptied before a new image is flashed, as some tools do",
        scenario: "stick",
        applies: Always,
        check: durability::survives_emptied_ends,
    },
    Promise {
        id: "persist.repairs-rights",
        sentence: "after `chmod -R 777 /persist` and a restart, keys, host keys and connections have their rights again, and the owner is let in",
        scenario: "stick",
        applies: Always,
        check: durability::repairs_rights,
    },
    Promise {
        id: "persist.forgets-the-rest",
        sentence: "files written anywhere else are gone after a restart",
        scenario: "stick",
        applies: Always,
        check: durability::forgets_the_rest,
    },
];
