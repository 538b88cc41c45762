//! `ollama.keeps-to-itself`

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::Result;
use vm::lan_probe::{Sent, Transport};
use vm::process::pause;

use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, Finding};

/// How long the machine is listened to, from power on, unless `test --listen` says more. Ollama asks for news at its start, and
/// every 14 minutes.
const LISTEN: Duration = Duration::from_secs(120);
/// The pool of time servers (NixOS and Debian have theirs below it).
const TIME_SERVERS: &str = "pool.ntp.org";

#[derive(Debug, Clone)]
struct Facts {
    /// What the machine sent, and how many packets of each kind.
    sent: Vec<(Sent, usize)>,
    /// How long it was listened to.
    time: Duration,
}

/// Whose packets are none of the machine's own will.
struct Expected {
    /// The router passes on what the tests ask the machine for.
    router: IpAddr,
    name_server: IpAddr,
    /// The ports on which the tests ask.
    asked_on: [u16; 2],
    /// How long the machine has to be listened to.
    listen: Duration,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let lan = cx.machine.lan();
    let expected = Expected {
        router: lan.gateway.into(),
        name_server: lan.name_server.into(),
        asked_on: [cx.contract.ssh.port, cx.contract.ollama.port],
        listen: cx.listen.unwrap_or(LISTEN),
    };
    Ok(judge(&gather(cx, expected.listen)?, &expected))
}

fn gather(cx: &mut Context, listen: Duration) -> Result<Facts> {
    let (_, so_far) = cx.machine.lan_probe()?.overheard();
    pause(listen.saturating_sub(so_far))?;
    let (sent, time) = cx.machine.lan_probe()?.overheard();
    Ok(Facts { sent, time })
}

fn judge(facts: &Facts, expected: &Expected) -> Finding {
    if facts.time < expected.listen {
        return Finding::Broken(format!(
            "the machine was listened to for {} s, not {} s",
            facts.time.as_secs(),
            expected.listen.as_secs()
        ));
    }
    let faults: Vec<String> = facts
        .sent
        .iter()
        .filter_map(|(sent, count)| Some(format!("{} ({count} packets)", unasked(sent, expected)?)))
        .collect();
    let names: Vec<&str> = facts
        .sent
        .iter()
        .filter_map(|(sent, _)| sent.asks_for.as_deref())
        .collect();
    let kept = format!(
        "in {} s nothing but answers, DHCP, neighbour discovery, time, and names of time servers: {}",
        facts.time.as_secs(),
        if names.is_empty() {
            "none".to_string()
        } else {
            names.join(", ")
        }
    );
    Finding::from_faults(&faults, kept)
}

/// What the owner did not ask for; `None` if this is something else.
fn unasked(sent: &Sent, expected: &Expected) -> Option<String> {
    const DHCP_SERVER: u16 = 67;
    const DHCPV6_SERVER: u16 = 547;
    const NTP: u16 = 123;
    const DNS: u16 = 53;
    let port = sent.ports.1;
    let asked_for = match sent.transport {
        // ICMP: neighbour discovery, and what multicast needs.
        None => sent.to.is_multicast() || sent.to == expected.router || is_link_local(sent.to),
        Some(Transport::Tcp) => {
            sent.to == expected.router && expected.asked_on.contains(&sent.ports.0)
        }
        Some(Transport::Udp) => match port {
            DHCP_SERVER | DHCPV6_SERVER | NTP => true,
            DNS => {
                let name = sent.asks_for.as_deref().unwrap_or_default();
                let of_time = name == TIME_SERVERS || name.ends_with(&format!(".{TIME_SERVERS}"));
                sent.to == expected.name_server && of_time
            }
            _ => false,
        },
    };
    if asked_for {
        return None;
    }
    Some(match (&sent.asks_for, sent.transport) {
        (Some(name), _) => format!("asks {} for {name:?}", sent.to),
        (None, Some(Transport::Tcp)) => format!("sends to TCP port {port} of {}", sent.to),
        (None, Some(Transport::Udp)) => format!("sends to UDP port {port} of {}", sent.to),
        (None, None) => format!("sends to {}", sent.to),
    })
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4 == Ipv4Addr::BROADCAST,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 2));
    const NAMES: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 3));

    fn sent(to: &str, transport: Option<Transport>, from: u16, port: u16) -> (Sent, usize) {
        let sent = Sent {
            to: to.parse().unwrap(),
            transport,
            ports: (from, port),
            asks_for: None,
        };
        (sent, 2)
    }

    fn query(name: &str) -> (Sent, usize) {
        let (query, count) = sent("10.0.2.3", Some(Transport::Udp), 0, 53);
        let asks_for = Some(name.to_string());
        (Sent { asks_for, ..query }, count)
    }

    fn good() -> Facts {
        Facts {
            sent: vec![
                sent("10.0.2.2", Some(Transport::Tcp), 22, 50_000),
                sent("10.0.2.2", Some(Transport::Tcp), 11434, 50_001),
                sent("255.255.255.255", Some(Transport::Udp), 68, 67),
                sent("ff02::1:2", Some(Transport::Udp), 546, 547),
                sent("185.125.190.58", Some(Transport::Udp), 40_000, 123),
                sent("ff02::16", None, 0, 0),
                sent("fe80::2", None, 0, 0),
                query("0.nixos.pool.ntp.org"),
            ],
            time: LISTEN,
        }
    }

    fn verdict(facts: &Facts) -> Finding {
        let expected = Expected {
            router: ROUTER,
            name_server: NAMES,
            asked_on: [22, 11434],
            listen: LISTEN,
        };
        judge(facts, &expected)
    }

    #[test]
    fn kept_when_nothing_else_is_sent() {
        assert_kept(
            verdict(&good()),
            "in 120 s nothing but answers, DHCP, neighbour discovery, time, and names of time servers: 0.nixos.pool.ntp.org",
        );
    }

    #[test]
    fn each_packet_of_its_own_will_breaks_it() {
        assert_each_breaks(
            &good(),
            verdict,
            &[
                (
                    |facts| facts.sent.push(query("ollama.com")),
                    "asks 10.0.2.3 for \"ollama.com\" (2 packets)",
                ),
                (
                    |facts| facts.sent.push(query("evilpool.ntp.org")),
                    "asks 10.0.2.3 for \"evilpool.ntp.org\" (2 packets)",
                ),
                (
                    |facts| {
                        facts
                            .sent
                            .push(sent("34.36.133.15", Some(Transport::Tcp), 50_000, 443));
                    },
                    "sends to TCP port 443 of 34.36.133.15 (2 packets)",
                ),
                (
                    |facts| {
                        facts
                            .sent
                            .push(sent("10.0.2.2", Some(Transport::Tcp), 50_000, 80));
                    },
                    "sends to TCP port 80 of 10.0.2.2 (2 packets)",
                ),
                (
                    |facts| {
                        facts
                            .sent
                            .push(sent("224.0.0.252", Some(Transport::Udp), 5355, 5355));
                    },
                    "sends to UDP port 5355 of 224.0.0.252 (2 packets)",
                ),
                (
                    |facts| facts.sent.push(sent("8.8.8.8", None, 0, 0)),
                    "sends to 8.8.8.8 (2 packets)",
                ),
                (
                    |facts| facts.time = Duration::from_secs(30),
                    "the machine was listened to for 30 s, not 120 s",
                ),
            ],
        );
    }
}
