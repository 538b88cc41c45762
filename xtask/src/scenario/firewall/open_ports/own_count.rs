//! What the machine itself counts while its ports are scanned.
//!
//! From outside, an open port whose program stays silent looks like one that the firewall shuts. So for the time of the scan
//! the machine has one more table of nftables. Before every other rule it counts the probes that arrive: one that is lost on the
//! way proves nothing. After every other rule it notes their ports: what the firewall drops never gets there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use anyhow::{Context as _, Result};
use serde_json::Value;
use vm::lan_probe::{LAN_PEER, SOURCE_PORT, Transport};

use crate::scenario::Context;

const TABLE: &str = "inet lan_probe";
/// How many ports the machine notes at most; a firewall that lets more through need not be listed in full.
pub const NOTED: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    V4,
    V6,
}

impl From<IpAddr> for Family {
    fn from(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// One of the four ways to a port.
pub type Way = (Family, Transport);
pub const WAYS: [Way; 4] = [
    (Family::V4, Transport::Tcp),
    (Family::V4, Transport::Udp),
    (Family::V6, Transport::Tcp),
    (Family::V6, Transport::Udp),
];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnCount {
    /// How many probes reached the machine.
    pub arrived: BTreeMap<Way, usize>,
    /// The ports that the firewall let through to the machine itself; at most [`NOTED`].
    pub let_in: BTreeSet<(Way, u16)>,
    /// The ports that it passed on to containers, as they were before they were translated; at most [`NOTED`].
    pub passed_on: BTreeSet<(Way, u16)>,
}

/// Runs `scan` while the machine counts. The table is removed even after an error.
///
/// # Errors
/// Those of `scan`; or the machine cannot count.
pub fn during<T>(
    cx: &mut Context,
    scan: impl FnOnce(&mut Context) -> Result<T>,
) -> Result<(T, OwnCount)> {
    cx.machine.succeed(&format!("nft '{}'", table()))?;
    let done = scan(cx).and_then(|scanned| {
        let listed = cx.machine.succeed(&format!("nft -j list table {TABLE}"))?;
        Ok((scanned, parse(&listed)?))
    });
    let removed = cx.machine.succeed(&format!("nft delete table {TABLE}"));
    let done = done?;
    removed?;
    Ok(done)
}

/// The table, in place of one that an interrupted scan has left. A probe is known by the peer's MAC address; the peer only
/// ever opens connections, so the state that the kernel keeps of them does not matter.
fn table() -> String {
    let [a, b, c, d, e, f] = LAN_PEER.mac;
    let from = format!("ether saddr {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
    let (mut counters, mut arrived) = (String::new(), String::new());
    for way in WAYS {
        let (name, family, protocol) = (counter(way), nfproto(way.0), l4proto(way.1));
        // The peer's resets come from the same port as its SYNs.
        let syn = match way.1 {
            Transport::Tcp => "tcp flags & (syn | ack | rst) == syn ",
            Transport::Udp => "",
        };
        counters += &format!("counter {name} {{ }}\n");
        arrived += &format!(
            "{from} meta nfproto {family} {protocol} sport {SOURCE_PORT} {syn}counter name {name}\n"
        );
    }
    let mut chains = String::new();
    for (set, hook, port) in [
        ("let_in", "input", "th dport"),
        ("passed_on", "forward", "ct original proto-dst"),
    ] {
        let key = format!("meta nfproto . meta l4proto . {port}");
        chains += &format!(
            "set {set} {{ typeof {key}; flags dynamic; size {NOTED}; }}\n\
             chain {hook} {{ type filter hook {hook} priority 1000; policy accept;\n\
             {from} meta l4proto {{ tcp, udp }} add @{set} {{ {key} }}\n}}\n"
        );
    }
    format!(
        "table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{counters}\
         chain arrived {{ type filter hook prerouting priority -400; policy accept;\n{arrived}}}\n{chains}}}\n"
    )
}

/// nftables' words.
fn nfproto(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

fn l4proto(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}

/// The name of the counter of arrivals.
fn counter((family, transport): Way) -> String {
    format!("{}_{}", nfproto(family), l4proto(transport))
}

/// Reads what `nft -j list table` prints (libnftables-json(5)).
fn parse(listed: &str) -> Result<OwnCount> {
    let json: Value = serde_json::from_str(listed)
        .with_context(|| format!("nft printed no JSON, but {listed:?}"))?;
    let objects = json["nftables"].as_array().context("no nftables in JSON")?;
    let named = |kind: &str, name: &str| {
        let mut objects = objects.iter().map(|object| &object[kind]);
        objects.find(|object| object["name"] == name)
    };
    let mut count = OwnCount::default();
    for way in WAYS {
        let name = counter(way);
        let packets = named("counter", &name).and_then(|counter| counter["packets"].as_u64());
        let packets = packets.with_context(|| format!("nft lists no counter {name}"))?;
        count.arrived.insert(way, usize::try_from(packets)?);
    }
    for (name, ports) in [
        ("let_in", &mut count.let_in),
        ("passed_on", &mut count.passed_on),
    ] {
        let set = named("set", name).with_context(|| format!("nft lists no set {name}"))?;
        for element in set["elem"].as_array().into_iter().flatten() {
            let port = port(element);
            ports.insert(port.with_context(|| format!("{element} is not a port"))?);
        }
    }
    Ok(count)
}

/// The port in an element such as `{"concat": ["ipv4", "udp", 40000]}`.
fn port(element: &Value) -> Option<(Way, u16)> {
    let [family, protocol, port] = element["concat"].as_array()?.as_slice() else {
        return None;
    };
    let way = WAYS
        .into_iter()
        .find(|&(of, transport)| family == nfproto(of) && protocol == l4proto(transport))?;
    Some((way, port.as_u64()?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nft 1.1.3 prints, without fields that are not read.
    const LISTED: &str = r#"{"nftables": [
        {"metainfo": {"version": "1.1.3"}},
        {"table": {"family": "inet", "name": "lan_probe"}},
        {"chain": {"name": "input", "hook": "input", "prio": 1000}},
        {"counter": {"name": "ipv4_tcp", "packets": 65535, "bytes": 0}},
        {"counter": {"name": "ipv4_udp", "packets": 65534, "bytes": 0}},
        {"counter": {"name": "ipv6_tcp", "packets": 2, "bytes": 0}},
        {"counter": {"name": "ipv6_udp", "packets": 1, "bytes": 0}},
        {"set": {"name": "let_in", "size": 1024, "flags": ["dynamic"],
            "elem": [{"concat": ["ipv6", "tcp", 22]}, {"concat": ["ipv4", "udp", 40000]}]}},
        {"set": {"name": "passed_on", "size": 1024, "flags": ["dynamic"]}}
    ]}"#;

    #[test]
    fn the_table_is_read_back() {
        let count = parse(LISTED).unwrap();
        assert_eq!(
            count.arrived.values().copied().collect::<Vec<_>>(),
            [65535, 65534, 2, 1]
        );
        let let_in = [
            ((Family::V4, Transport::Udp), 40_000),
            ((Family::V6, Transport::Tcp), 22),
        ];
        assert_eq!(count.let_in, BTreeSet::from(let_in));
        assert_eq!(count.passed_on, BTreeSet::new());
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let error = |listed: &str| parse(listed).unwrap_err().to_string();
        assert_eq!(
            error("no such table"),
            r#"nft printed no JSON, but "no such table""#
        );
        assert_eq!(
            error(r#"{"nftables": []}"#),
            "nft lists no counter ipv4_tcp"
        );
        assert_eq!(
            error(&LISTED.replace("\"let_in\"", "\"other\"")),
            "nft lists no set let_in"
        );
        assert_eq!(
            error(&LISTED.replace("40000", "65536")),
            r#"{"concat":["ipv4","udp",65536]} is not a port"#
        );
    }

    #[test]
    fn the_table_fits_between_the_quotes_of_a_shell() {
        let table = table();
        assert!(!table.contains('\''), "{table}");
        assert!(table.contains(
            "ether saddr 02:00:00:00:00:63 meta nfproto ipv6 udp sport 40022 counter name ipv6_udp"
        ));
    }
}
