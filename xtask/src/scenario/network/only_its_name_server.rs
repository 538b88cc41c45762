//! `network.only-its-name-server`

use std::collections::BTreeSet;

use anyhow::Result;
use vm::lan_probe::Transport;

use crate::scenario::{Context, Finding};

/// How names are looked up with the neighbours: the port, and its protocol (RFC 6762, RFC 4795).
const WITH_NEIGHBOURS: &[(u16, &str)] = &[(5353, "mDNS"), (5355, "LLMNR")];
/// Names that a machine looks up with its neighbours, where it does: one of mDNS's domain, and one without a domain.
const NAMES: &[&str] = &["neighbour.local", "neighbour"];

#[derive(Debug, Clone)]
struct Facts {
    /// The ports of [`WITH_NEIGHBOURS`] to which it sent multicasts, at the latest when the names were looked up.
    asked: BTreeSet<u16>,
    /// Listening sockets, as `ss -Hlntu` prints them.
    sockets: String,
    /// `resolvectl status`
    status: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let look_up = |name: &str| format!("timeout 15 getent ahostsv4 {name}; true");
    let [_, _, sockets, status] = cx
        .exec([
            &look_up(NAMES[0]),
            &look_up(NAMES[1]),
            "ss -Hlntu",
            "resolvectl --no-pager status",
        ])?
        .map(|output| output.text);
    let (sent, _) = cx.machine.lan_probe()?.overheard();
    let multicasts = sent
        .iter()
        .map(|(sent, _)| sent)
        .filter(|sent| sent.transport == Some(Transport::Udp) && sent.to.is_multicast());
    let ports = multicasts.map(|sent| sent.ports.1);
    Ok(Facts {
        asked: ports
            .filter(|port| WITH_NEIGHBOURS.iter().any(|(known, _)| known == port))
            .collect(),
        sockets,
        status,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    let open = listening(&facts.sockets);
    for (port, protocol) in WITH_NEIGHBOURS {
        if facts.asked.contains(port) {
            faults.push(format!("it asks its neighbours by {protocol}"));
        }
        if open.contains(port) {
            faults.push(format!(
                "it listens for its neighbours' {protocol} at port {port}"
            ));
        }
    }
    if let Some(servers) = in_reserve(&facts.status) {
        faults.push(format!(
            "where the network has no name server, it asks {servers}"
        ));
    }
    Finding::from_faults(
        &faults,
        "neither mDNS nor LLMNR is sent or listened for, and no public name server is in reserve",
    )
}

/// The ports at which something listens.
fn listening(sockets: &str) -> BTreeSet<u16> {
    let address = |line: &str| line.split_whitespace().nth(4).map(str::to_string);
    let ports = sockets.lines().filter_map(address);
    ports
        .filter_map(|address| address.rsplit(':').next()?.parse().ok())
        .collect()
}

/// The name servers that are asked where the network gives none.
fn in_reserve(status: &str) -> Option<&str> {
    let servers = status
        .lines()
        .find_map(|line| line.trim().strip_prefix("Fallback DNS Servers:"))?
        .trim();
    (!servers.is_empty()).then_some(servers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            asked: BTreeSet::new(),
            sockets: "udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*\ntcp LISTEN 0 128 [::]:22 [::]:*"
                .to_string(),
            status: "Global\n  Protocols: -LLMNR -mDNS\n\nLink 2 (eth0)\n  DNS Servers: 10.0.2.3"
                .to_string(),
        }
    }

    #[test]
    fn kept_when_only_the_name_server_is_asked() {
        assert_kept(
            judge(&good()),
            "neither mDNS nor LLMNR is sent or listened for, and no public name server is in reserve",
        );
    }

    #[test]
    fn each_other_source_of_names_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.asked = BTreeSet::from([5353]),
                    "it asks its neighbours by mDNS",
                ),
                (
                    |facts| facts.asked = BTreeSet::from([5355]),
                    "it asks its neighbours by LLMNR",
                ),
                (
                    |facts| facts.sockets += "\nudp UNCONN 0 0 *:5353 *:*",
                    "it listens for its neighbours' mDNS at port 5353",
                ),
                (
                    |facts| facts.sockets += "\ntcp LISTEN 0 4096 [::]:5355 [::]:*",
                    "it listens for its neighbours' LLMNR at port 5355",
                ),
                (
                    |facts| {
                        facts.status +=
                            "\nFallback DNS Servers: 1.1.1.1#cloudflare-dns.com\n   8.8.8.8"
                    },
                    "where the network has no name server, it asks 1.1.1.1#cloudflare-dns.com",
                ),
            ],
        );
    }
}
