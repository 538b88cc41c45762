//! The promises of `faults` and `bad-day`: what the machine survives.

use crate::scenario::Applies::{Always, WithModelsDrive};
use crate::scenario::{Promise, fault, health};

pub const PROMISES: &[Promise] = &[
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
        id: "ollama.makes-room-for-its-image",
        sentence: "an old image of Ollama goes where the new one does not fit beside it, but not before the registry has answered; \
                   one that cannot fit is reported at login, with sizes, and not downloaded",
        scenario: "faults",
        applies: Always,
        check: fault::room_for_image::check,
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
