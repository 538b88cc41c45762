//! The promises of `firewall`: what comes in, and what goes out.

use crate::scenario::Applies::{Always, WithAllowedNetworks};
use crate::scenario::{Promise, firewall};

pub const PROMISES: &[Promise] = &[
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
];
