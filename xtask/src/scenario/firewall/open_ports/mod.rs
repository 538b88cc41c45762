//! `firewall.only-open-ports`

mod own_count;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use vm::lan_probe::{LAN_PEER, PortState, Scanned, Transport};

use self::own_count::{Family, NOTED, OwnCount, Way};
use super::{is_allowed, link_local};
use crate::contract::Contract;
use crate::scenario::{Context, Finding, ollama};

/// NixOS accepts answers to a DHCPv6 client, sent to a link-local address (RFC 8415, 7.2). No process may listen there.
const DHCPV6_CLIENT: (Way, u16) = ((Family::V6, Transport::Udp), 546);
/// How often a scan is repeated when probes were lost on their way.
const ATTEMPTS: usize = 3;
/// How many ports a fault names.
const NAMED: usize = 8;

#[derive(Debug, Clone)]
struct Facts {
    scans: Vec<Scan>,
    /// What the machine counted during these scans.
    count: OwnCount,
    took: Duration,
}

/// The state of every port over one protocol, seen from outside.
#[derive(Debug, Clone)]
struct Scan {
    way: Way,
    found: Scanned,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    let promised = Promised::new(cx.contract);
    Ok(judge(&gather(cx)?, &promised))
}

/// The TCP ports that are open to the probe, by family.
struct Promised {
    v4: Vec<u16>,
    v6: Vec<u16>,
}

impl Promised {
    fn new(contract: &Contract) -> Self {
        let open_to = |source: IpAddr| {
            let ollama = is_allowed(&contract.ollama.allowed_networks, source);
            let ollama = ollama.then_some(contract.ollama.port);
            [contract.ssh.port].into_iter().chain(ollama).collect()
        };
        Promised {
            v4: open_to(LAN_PEER.v4.into()),
            v6: open_to(LAN_PEER.v6.into()),
        }
    }

    fn ports(&self, family: Family) -> &[u16] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

impl fmt::Display for Promised {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Promised { v4, v6 } = self;
        if v4 == v6 {
            write!(f, "{v4:?} are open")
        } else {
            write!(f, "{v4:?} are open over IPv4 and {v6:?} over IPv6")
        }
    }
}

fn gather(cx: &mut Context) -> Result<Facts> {
    ollama::wait_until_up(cx)?;
    let start = Instant::now();
    let v6 = link_local(cx)?;
    let mut lost = None;
    for _ in 0..ATTEMPTS {
        let (scans, count) = own_count::during(cx, |cx| scan(cx, v6))?;
        lost = loss(&scans, &count);
        if lost.is_none() {
            return Ok(Facts {
                scans,
                count,
                took: start.elapsed(),
            });
        }
    }
    bail!("{}", lost.unwrap_or_default())
}

/// Tries every port in every way.
fn scan(cx: &mut Context, v6: IpAddr) -> Result<Vec<Scan>> {
    let ports: Vec<u16> = (1..=u16::MAX).collect();
    let ssh = cx.contract.ssh.port;
    let mut scans = Vec::new();
    let v4 = IpAddr::from(cx.machine.lan().guest);
    for target in [v4, v6] {
        for transport in [Transport::Tcp, Transport::Udp] {
            let probe = cx.machine.lan_probe()?;
            scans.push(Scan {
                way: (target.into(), transport),
                found: probe.scan(target, transport, &ports, ssh)?,
            });
        }
    }
    Ok(scans)
}

/// Probes that did not reach the machine: about their ports the scan says nothing.
fn loss(scans: &[Scan], count: &OwnCount) -> Option<String> {
    scans.iter().find_map(|Scan { way, found }| {
        let (sent, arrived) = (found.sent, count.arrived.get(way).copied().unwrap_or(0));
        let (family, transport) = way;
        (arrived < sent).then(|| {
            format!(
                "of {sent} probes over {family} {transport:?} only {arrived} reached the machine"
            )
        })
    })
}

fn judge(facts: &Facts, promised: &Promised) -> Finding {
    let mut faults: Vec<String> = facts
        .scans
        .iter()
        .flat_map(|scan| surprises(scan, &facts.count, promised))
        .collect();
    let passed_on = &facts.count.passed_on;
    for Scan { way, .. } in &facts.scans {
        faults.extend(named(
            *way,
            &ports_of(passed_on, *way),
            "passed on to a container",
        ));
    }
    if facts.count.let_in.len().max(passed_on.len()) >= NOTED {
        faults.push(format!(
            "the machine noted {NOTED} ports, and there may be more"
        ));
    }
    let count = |transport| {
        let scan = facts.scans.iter().find(|scan| scan.way.1 == transport);
        scan.map_or(0, |scan| scan.found.ports.len())
    };
    let kept = format!(
        "{} TCP and {} UDP ports over IPv4 and IPv6 in {:.1} s: {promised}, nothing else is let through",
        count(Transport::Tcp),
        count(Transport::Udp),
        facts.took.as_secs_f64()
    );
    Finding::from_faults(&faults, kept)
}

/// Ports that are let through and not promised, and promised ones that are not open. An answer of any kind shows that the
/// firewall lets packets through, even where no process listens; where none comes (a program listens in silence, or the
/// kernel limits its refusals), the machine's own count does.
fn surprises(scan: &Scan, count: &OwnCount, promised: &Promised) -> Vec<String> {
    let Scan { way, found } = scan;
    let (family, transport) = way;
    let expected =
        |port: u16| *transport == Transport::Tcp && promised.ports(*family).contains(&port);
    let by_design = |port: u16| (*way, port) == DHCPV6_CLIENT;
    let answering = found.ports.iter().filter(|(port, state)| match state {
        PortState::Filtered => false,
        PortState::Closed => !by_design(*port),
        PortState::Open => true,
    });
    let noted = ports_of(&count.let_in, *way);
    let through: BTreeSet<u16> = answering
        .map(|(port, _)| *port)
        .chain(noted.iter().copied().filter(|port| !by_design(*port)))
        .filter(|port| !expected(*port))
        .collect();
    let mut faults: Vec<String> = named(*way, &through, "let through").into_iter().collect();
    for (port, state) in &found.ports {
        match state {
            PortState::Open if count.let_in.len() < NOTED && !noted.contains(port) => {
                faults.push(format!(
                    "{family} {transport:?} {port} is open, but the machine did not count it"
                ));
            }
            PortState::Open => {}
            _ if expected(*port) => {
                faults.push(format!(
                    "{family} {transport:?} {port} is {state:?}, not open"
                ));
            }
            _ => {}
        }
    }
    faults
}

fn ports_of(noted: &BTreeSet<(Way, u16)>, way: Way) -> BTreeSet<u16> {
    let of_way = noted.iter().filter(|(of, _)| *of == way);
    of_way.map(|(_, port)| *port).collect()
}

/// The fault that `ports` are `what`, by their first numbers.
fn named((family, transport): Way, ports: &BTreeSet<u16>, what: &str) -> Option<String> {
    let first: Vec<String> = ports.iter().take(NAMED).map(u16::to_string).collect();
    let more = match ports.len() - first.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let first = first.join(", ");
    (!ports.is_empty()).then(|| format!("{family} {transport:?} {first}{more} {what}"))
}
