//! `firewall.only-open-ports`

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use vm::lan_probe::{PortState, Transport};

use super::link_local;
use crate::scenario::{Context, Finding, ollama};

/// NixOS accepts answers to a DHCPv6 client, sent to a link-local address (RFC 8415, 7.2). No process may listen there.
const DHCPV6_CLIENT: u16 = 546;
/// UDP ports above the well-known ones that services often use.
const COMMON_UDP: [u16; 8] = [1900, 3702, 4500, 5353, 5355, 11_434, 41_641, 51_820];
/// How many ports a fault names.
const NAMED: usize = 8;

#[derive(Debug, Clone)]
struct Facts {
    scans: Vec<Scan>,
    took: Duration,
}

/// The state of each port that was tried over one protocol.
#[derive(Debug, Clone)]
struct Scan {
    target: IpAddr,
    transport: Transport,
    ports: Vec<(u16, PortState)>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    let promised = [cx.contract.ssh.port, cx.contract.ollama.port];
    Ok(judge(&gather(cx)?, &promised))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    ollama::wait_until_up(cx)?;
    let start = Instant::now();
    let v6 = link_local(cx)?;
    let listening = cx
        .machine
        .succeed("ss -lunH | tr -s ' ' | cut -d' ' -f4 | grep -o '[0-9]*$' | sort -un")?;
    let tcp: Vec<u16> = (1..=u16::MAX).collect();
    let udp = udp_ports(&listening);
    let ssh = cx.contract.ssh.port;
    let mut scans = Vec::new();
    for target in [IpAddr::from(cx.machine.lan().guest), v6] {
        for (transport, ports) in [(Transport::Tcp, &tcp), (Transport::Udp, &udp)] {
            let probe = cx.machine.lan_probe()?;
            scans.push(Scan {
                target,
                transport,
                ports: probe.scan(target, transport, ports, ssh)?.ports,
            });
        }
    }
    Ok(Facts {
        scans,
        took: start.elapsed(),
    })
}

/// The UDP ports to try: the well-known ones, common ones above, and those on which a process in the guest is `listening`
/// (one per line). Trying all would take minutes, because silence has to be waited for.
fn udp_ports(listening: &str) -> Vec<u16> {
    let listening = listening.lines().filter_map(|line| line.parse().ok());
    let mut ports: Vec<u16> = (1..1024).chain(COMMON_UDP).chain(listening).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn judge(facts: &Facts, promised: &[u16]) -> Finding {
    let faults: Vec<String> = facts
        .scans
        .iter()
        .flat_map(|scan| surprises(scan, promised))
        .collect();
    let count = |transport| {
        let scan = facts.scans.iter().find(|scan| scan.transport == transport);
        scan.map_or(0, |scan| scan.ports.len())
    };
    let kept = format!(
        "{} TCP and {} UDP ports over IPv4 and IPv6 in {:.1} s: {promised:?} are open, the rest is silent",
        count(Transport::Tcp),
        count(Transport::Udp),
        facts.took.as_secs_f64()
    );
    Finding::from_faults(&faults, kept)
}

/// Ports that answer and are not promised, and promised ones that are not open. An answer of any kind counts: it shows that
/// the firewall lets packets through, even where no process listens.
fn surprises(scan: &Scan, promised: &[u16]) -> Vec<String> {
    let Scan {
        target,
        transport,
        ports,
    } = scan;
    let family = if target.is_ipv4() { "IPv4" } else { "IPv6" };
    let expected = |port: u16| *transport == Transport::Tcp && promised.contains(&port);
    let dhcpv6 = |port: u16, state: PortState| {
        target.is_ipv6()
            && (*transport, port, state) == (Transport::Udp, DHCPV6_CLIENT, PortState::Closed)
    };
    let mut faults = Vec::new();
    let answering: Vec<String> = ports
        .iter()
        .filter(|(port, state)| !expected(*port) && *state != PortState::Filtered)
        .filter(|(port, state)| !dhcpv6(*port, *state))
        .map(|(port, _)| port.to_string())
        .collect();
    if !answering.is_empty() {
        let named = answering.len().min(NAMED);
        let more = match answering.len() - named {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        faults.push(format!(
            "{family} {transport:?} {}{more} let through",
            answering[..named].join(", ")
        ));
    }
    let shut = ports
        .iter()
        .filter(|(port, state)| expected(*port) && *state != PortState::Open);
    faults.extend(
        shut.map(|(port, state)| format!("{family} {transport:?} {port} is {state:?}, not open")),
    );
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        let v4 = IpAddr::from([10, 0, 2, 15]);
        let v6 = IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]);
        let tcp = vec![
            (22, PortState::Open),
            (80, PortState::Filtered),
            (11434, PortState::Open),
        ];
        let udp = vec![(22, PortState::Filtered), (546, PortState::Filtered)];
        let mut scans = Vec::new();
        for target in [v4, v6] {
            for (transport, ports) in [(Transport::Tcp, &tcp), (Transport::Udp, &udp)] {
                scans.push(Scan {
                    target,
                    transport,
                    ports: ports.clone(),
                });
            }
        }
        Facts {
            scans,
            took: Duration::from_secs(2),
        }
    }

    fn judge_promised(facts: &Facts) -> Finding {
        judge(facts, &[22, 11434])
    }

    #[test]
    fn kept_when_only_promised_ports_answer() {
        assert_kept(
            judge_promised(&good()),
            "3 TCP and 2 UDP ports over IPv4 and IPv6 in 2.0 s: [22, 11434] are open, the rest is silent",
        );
    }

    #[test]
    fn an_answer_of_any_kind_breaks_it() {
        assert_each_breaks(
            &good(),
            judge_promised,
            &[
                (
                    |facts| facts.scans[0].ports[1].1 = PortState::Closed,
                    "IPv4 Tcp 80 let through",
                ),
                (
                    |facts| facts.scans[2].ports[1].1 = PortState::Open,
                    "IPv6 Tcp 80 let through",
                ),
                // A promised TCP port is not promised over UDP.
                (
                    |facts| facts.scans[1].ports[0].1 = PortState::Open,
                    "IPv4 Udp 22 let through",
                ),
                (
                    |facts| {
                        facts.scans[0]
                            .ports
                            .extend((100..110).map(|port| (port, PortState::Closed)))
                    },
                    "IPv4 Tcp 100, 101, 102, 103, 104, 105, 106, 107 and 2 more let through",
                ),
            ],
        );
    }

    #[test]
    fn a_promised_port_that_is_shut_breaks_it() {
        assert_each_breaks(
            &good(),
            judge_promised,
            &[
                (
                    |facts| facts.scans[0].ports[0].1 = PortState::Filtered,
                    "IPv4 Tcp 22 is Filtered, not open",
                ),
                (
                    |facts| facts.scans[2].ports[2].1 = PortState::Closed,
                    "IPv6 Tcp 11434 is Closed, not open",
                ),
            ],
        );
    }

    #[test]
    fn the_dhcpv6_client_may_be_closed_but_not_open() {
        let mut facts = good();
        facts.scans[3].ports[1].1 = PortState::Closed;
        assert!(matches!(judge_promised(&facts), Finding::Kept(_)));
        assert_each_breaks(
            &good(),
            judge_promised,
            &[
                (
                    |facts| facts.scans[3].ports[1].1 = PortState::Open,
                    "IPv6 Udp 546 let through",
                ),
                (
                    |facts| facts.scans[1].ports[1].1 = PortState::Closed,
                    "IPv4 Udp 546 let through",
                ),
                (
                    |facts| facts.scans[2].ports.push((546, PortState::Closed)),
                    "IPv6 Tcp 546 let through",
                ),
            ],
        );
    }

    #[test]
    fn udp_ports_in_use_are_tried_too() {
        let ports = udp_ports("68\n40000\nnoise");
        assert!(ports.is_sorted());
        assert_eq!(ports.iter().filter(|port| **port == 68).count(), 1);
        assert!(ports.contains(&40000) && ports.contains(&1) && ports.contains(&51_820));
        assert_eq!(ports.len(), 1023 + COMMON_UDP.len() + 1);
    }
}
