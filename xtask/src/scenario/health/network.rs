//! `health.network`, `health.cable`

use anyhow::Result;

use super::Episode;
use super::episode::{gather, judge};
use crate::scenario::{Context, Finding};

pub const NETWORK: &[Episode] = &[Episode {
    causes: &["no-name-server"],
    state: "degraded",
    make: "card=$(ip -o route show default | sed 's/.* dev //; s/ .*//' | head -n 1); \
           servers=$(resolvectl dns \"$card\" | sed 's/^[^:]*: *//'); resolvectl dns \"$card\" ''",
    undo: "resolvectl dns \"$card\" $servers",
}];

/// The shell that makes them happen is reached by that cable, so it comes back without a command from outside.
pub const CABLE: &[Episode] = &[
    Episode {
        causes: &["no-cable"],
        state: "not serving",
        make: "card=$(ip -o route show default | sed 's/.* dev //; s/ .*//' | head -n 1); ip link set \"$card\" down",
        undo: "ip link set \"$card\" up",
    },
    Episode {
        causes: &["no-wifi-card"],
        state: "not serving",
        make: "wifi=/etc/NetworkManager/system-connections/Elsewhere.nmconnection; \
               (umask 077; printf '[connection]\\nid=Elsewhere\\ntype=wifi\\n\\n[wifi]\\nssid=Elsewhere\\n' > $wifi); \
               card=$(ip -o route show default | sed 's/.* dev //; s/ .*//' | head -n 1); ip link set \"$card\" down",
        undo: "rm $wifi; ip link set \"$card\" up",
    },
    Episode {
        causes: &["no-address"],
        state: "not serving",
        make: "card=$(ip -o route show default | sed 's/.* dev //; s/ .*//' | head -n 1); ip address flush dev \"$card\" scope global; ip -6 address flush dev \"$card\" scope global",
        undo: "ip link set \"$card\" down; sleep 1; ip link set \"$card\" up",
    },
    Episode {
        causes: &["no-network-card"],
        state: "not serving",
        make: "for card in /sys/class/net/*/device; do echo 1 > \"$(readlink -f \"$card/..\")/remove\"; done",
        undo: "echo 1 > /sys/bus/pci/rescan",
    },
];

pub fn check_network(cx: &mut Context) -> Result<Finding> {
    Ok(judge(NETWORK, &gather(cx, NETWORK)?))
}

pub fn check_cable(cx: &mut Context) -> Result<Finding> {
    Ok(judge(CABLE, &gather(cx, CABLE)?))
}
