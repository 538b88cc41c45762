//! What the network can reach, asked by a neighbour on the guest's own segment.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{Context, Finding};
use vm::lan_probe::{PortState, Transport};
use vm::qemu::GUEST_ADDRESS;

/// What a container publishes in the test; no service of the appliance uses it.
const PUBLISHED: u16 = 18_080;
/// The container's own port behind it.
const INSIDE: u16 = 11_434;

/// NixOS lets answers to a DHCPv6 client in, sent to a link-local address (RFC 8415, 7.2). It must not be more than a
/// hole with nobody behind it.
const DHCPV6_CLIENT: u16 = 546;

/// The guest's link-local IPv6 address on the card that has the IPv4 address.
fn link_local(cx: &mut Context) -> Result<IpAddr> {
    let v4 = IpAddr::from(GUEST_ADDRESS);
    let text = cx.machine.succeed(&format!(
        "card=$(ip -4 -o addr | grep ' {v4}/' | tr -s ' ' | cut -d' ' -f2); ip -6 -o addr show dev $card scope link | tr -s ' ' | cut -d' ' -f4"
    ))?;
    let address = text
        .lines()
        .next()
        .and_then(|line| line.split('/').next())
        .unwrap_or_default();
    let v6: Ipv6Addr = address
        .parse()
        .with_context(|| format!("no link-local address, but {text:?}"))?;
    Ok(v6.into())
}

/// `firewall.only-open-ports`
pub fn only_open_ports(cx: &mut Context) -> Result<Finding> {
    super::ollama::wait_until_up(cx)?;
    let start = Instant::now();
    let v6 = link_local(cx)?;
    let listening = cx
        .machine
        .succeed("ss -lunH | tr -s ' ' | cut -d' ' -f4 | grep -o '[0-9]*$' | sort -un")?;
    let promised: Vec<u16> = cx
        .contract
        .ssh
        .ports
        .iter()
        .copied()
        .chain([cx.contract.ollama.port])
        .collect();
    let tcp: Vec<u16> = (1..=u16::MAX).collect();
    // Every well-known port, what is common above, and whatever a service in the guest holds.
    let mut udp: Vec<u16> = (1..1024)
        .chain([1900, 3702, 4500, 5353, 5355, 11_434, 41_641, 51_820])
        .collect();
    udp.extend(
        listening
            .lines()
            .filter_map(|line| line.parse::<u16>().ok()),
    );
    udp.sort_unstable();
    udp.dedup();
    let ssh = promised.first().copied().unwrap_or(22);
    let mut faults = Vec::new();
    for target in [IpAddr::from(GUEST_ADDRESS), v6] {
        for (transport, ports) in [(Transport::Tcp, &tcp), (Transport::Udp, &udp)] {
            let states = cx
                .machine
                .lan_probe()?
                .scan(target, transport, ports, ssh)?;
            faults.extend(surprises(target, transport, &states, &promised));
        }
    }
    let kept = format!(
        "{} TCP and {} UDP ports over IPv4 and IPv6 in {:.1} s: {promised:?} are open, the rest is silent",
        tcp.len(),
        udp.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(Finding::from_faults(&faults, kept))
}

/// What the scan found and nobody promised, or the other way round. An answer of any kind counts: a firewall that lets
/// a port through shows even when nobody listens there.
fn surprises(
    target: IpAddr,
    transport: Transport,
    states: &[(u16, PortState)],
    promised: &[u16],
) -> Vec<String> {
    let family = if target.is_ipv4() { "IPv4" } else { "IPv6" };
    let expected = |port: &u16| transport == Transport::Tcp && promised.contains(port);
    let dhcpv6 = (Transport::Udp, DHCPV6_CLIENT, PortState::Closed);
    let mut faults = Vec::new();
    let answering: Vec<u16> = states
        .iter()
        .filter(|(port, state)| !expected(port) && *state != PortState::Filtered)
        .filter(|(port, state)| target.is_ipv4() || (transport, *port, *state) != dhcpv6)
        .map(|(port, _)| *port)
        .collect();
    if !answering.is_empty() {
        let some: Vec<String> = answering.iter().take(8).map(u16::to_string).collect();
        let more = if answering.len() > some.len() {
            format!(" and {} more", answering.len() - some.len())
        } else {
            String::new()
        };
        faults.push(format!(
            "{family} {transport:?} {}{more} let through",
            some.join(", ")
        ));
    }
    for (port, state) in states
        .iter()
        .filter(|(port, state)| expected(port) && *state != PortState::Open)
    {
        faults.push(format!(
            "{family} {transport:?} {port} is {state:?}, not open"
        ));
    }
    faults
}

/// `firewall.published-ports-contained`
pub fn published_ports_contained(cx: &mut Context) -> Result<Finding> {
    // Its image is there once the service has it.
    super::ollama::wait_until_up(cx)?;
    let v6 = link_local(cx)?;
    let image = &cx.contract.ollama.image;
    cx.machine.succeed(&format!(
        "docker rm -f published >/dev/null 2>&1; docker run -d --pull never --name published -e OLLAMA_HOST=0.0.0.0:{INSIDE} -p {PUBLISHED}:{INSIDE} {image}"
    ))?;
    let finding = contained(cx, v6);
    cx.machine.exec(&["docker rm -f published"])?;
    finding
}

fn contained(cx: &mut Context, v6: IpAddr) -> Result<Finding> {
    // From inside it has to be reachable: otherwise silence outside would prove nothing.
    let inside = format!(
        "for i in $(seq 50); do timeout 5 bash -c ': < /dev/tcp/127.0.0.1/{PUBLISHED}' && exit 0; sleep 0.2; done; exit 1"
    );
    let outputs = cx.machine.exec(&[
        &inside,
        "docker inspect --format '{{.NetworkSettings.IPAddress}}' published",
    ])?;
    if !outputs[0].ok() {
        return Ok(Finding::Broken(format!(
            "the published port does not answer on the machine itself: {}",
            outputs[0].text
        )));
    }
    let guest = IpAddr::from(GUEST_ADDRESS);
    let container: IpAddr = outputs[1]
        .text
        .trim()
        .parse()
        .context("the container has no address")?;
    let wire = cx.machine.lan_probe()?;
    let mac = wire.resolve(guest, Duration::from_secs(10))?;
    let mut faults = Vec::new();
    for (what, target, port) in [
        ("the published port over IPv4", guest, PUBLISHED),
        ("the published port over IPv6", v6, PUBLISHED),
        (
            "the container's own address, routed through the machine",
            container,
            INSIDE,
        ),
    ] {
        let state = wire.ask_via(mac, target, port)?;
        if state != PortState::Filtered {
            faults.push(format!("{what} is {state:?}"));
        }
    }
    Ok(Finding::from_faults(
        &faults,
        format!(
            "port {PUBLISHED} answers on the machine itself, and to nobody outside, IPv4 or IPv6"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_any_kind_is_a_hole() {
        let v4 = IpAddr::from(GUEST_ADDRESS);
        let states = [
            (22, PortState::Open),
            (80, PortState::Closed),
            (81, PortState::Filtered),
            (11434, PortState::Open),
        ];
        assert_eq!(
            surprises(v4, Transport::Tcp, &states, &[22, 11434]),
            ["IPv4 Tcp 80 let through"]
        );
        assert!(surprises(v4, Transport::Tcp, &states[2..], &[22, 11434]).is_empty());
        let shut = [(22, PortState::Filtered)];
        assert_eq!(
            surprises(v4, Transport::Tcp, &shut, &[22]),
            ["IPv4 Tcp 22 is Filtered, not open"]
        );
        assert_eq!(
            surprises(v4, Transport::Udp, &[(22, PortState::Open)], &[22]),
            ["IPv4 Udp 22 let through"]
        );
    }

    #[test]
    fn the_dhcpv6_client_may_be_absent_but_not_answer() {
        let (v4, v6) = (
            IpAddr::from(GUEST_ADDRESS),
            IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]),
        );
        assert!(surprises(v6, Transport::Udp, &[(546, PortState::Closed)], &[]).is_empty());
        assert_eq!(
            surprises(v6, Transport::Udp, &[(546, PortState::Open)], &[]).len(),
            1
        );
        assert_eq!(
            surprises(v4, Transport::Udp, &[(546, PortState::Closed)], &[]).len(),
            1
        );
        assert_eq!(
            surprises(v6, Transport::Tcp, &[(546, PortState::Closed)], &[]).len(),
            1
        );
    }
}
