//! `firewall.only-allowed-networks`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::Result;
use ipnet::IpNet;
use vm::lan::Lan;
use vm::lan_probe::{LAN_PEER, LanPeer, PortState};

use super::{is_allowed, link_local};
use crate::scenario::{Context, Finding, ollama};

const RESOLVE: Duration = Duration::from_secs(10);
/// Hosts of no network that is in use (RFC 5737 and RFC 3849), for lists that allow the probe's usual addresses.
const ELSEWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9)),
];

/// What a host at one address reaches.
#[derive(Debug, Clone)]
struct Source {
    address: IpAddr,
    allowed: bool,
    ssh: PortState,
    ollama: PortState,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Vec<Source>> {
    // Over a forwarded port, so from an address of the first IPv4 network.
    ollama::wait_until_up(cx)?;
    let contract = cx.contract;
    let networks = &contract.ollama.allowed_networks;
    let lan = cx.machine.lan();
    let v6 = link_local(cx)?;
    let probe = cx.machine.lan_probe()?;
    let mac = probe.resolve(lan.guest.into(), RESOLVE)?;
    let mut sources = Vec::new();
    for address in addresses(networks, lan) {
        let (peer, target) = match address {
            IpAddr::V4(v4) => (LanPeer::at(v4, LAN_PEER.v6), lan.guest.into()),
            IpAddr::V6(own) => (LanPeer::at(LAN_PEER.v4, own), v6),
        };
        let [ssh, ollama] = probe.at(peer, |probe| {
            Ok([
                probe.ask_via(mac, target, contract.ssh.port)?,
                probe.ask_via(mac, target, contract.ollama.port)?,
            ])
        })?;
        sources.push(Source {
            address,
            allowed: is_allowed(networks, address),
            ssh,
            ollama,
        });
    }
    Ok(sources)
}

/// A host of each network that has room for one beside the gateway and the guest, and one host of each family that is in
/// none of them.
fn addresses(networks: &[IpNet], lan: Lan) -> Vec<IpAddr> {
    let taken = [lan.gateway, lan.name_server, lan.guest].map(IpAddr::from);
    let inside = networks.iter().filter_map(|network| {
        // The first address of an IPv6 network belongs to its routers (RFC 4291, 2.6.1).
        let reserved = network.prefix_len() < network.max_prefix_len();
        let free =
            |host: &IpAddr| !(taken.contains(host) || reserved && *host == network.network());
        network.hosts().take(8).find(free)
    });
    let usual = [IpAddr::from(LAN_PEER.v4), IpAddr::from(LAN_PEER.v6)];
    let outside = usual
        .into_iter()
        .zip(ELSEWHERE)
        .filter_map(|(usual, elsewhere)| {
            [usual, elsewhere]
                .into_iter()
                .find(|address| !is_allowed(networks, *address))
        });
    inside.chain(outside).collect()
}

fn judge(sources: &[Source]) -> Finding {
    let mut faults = Vec::new();
    for source in sources {
        let Source {
            address,
            allowed,
            ssh,
            ollama,
        } = source;
        if *ssh != PortState::Open {
            faults.push(format!("SSH is {ssh:?} to {address}, not open"));
        }
        match (allowed, ollama) {
            (true, PortState::Open) | (false, PortState::Filtered) => {}
            (true, state) => faults.push(format!(
                "Ollama is {state:?} to {address}, which is allowed"
            )),
            (false, state) => faults.push(format!(
                "Ollama is {state:?} to {address}, which is not allowed"
            )),
        }
    }
    if !sources.iter().any(|source| !source.allowed) {
        faults.push("no address was found that is not allowed".to_string());
    }
    let names = |allowed: bool| {
        let some = sources.iter().filter(|source| source.allowed == allowed);
        let names: Vec<String> = some.map(|source| source.address.to_string()).collect();
        names.join(" and ")
    };
    let kept = format!(
        "{} reach SSH and Ollama, {} only SSH",
        names(true),
        names(false)
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn source(address: &str, allowed: bool, ollama: PortState) -> Source {
        Source {
            address: address.parse().unwrap(),
            allowed,
            ssh: PortState::Open,
            ollama,
        }
    }

    fn good() -> Vec<Source> {
        vec![
            source("192.168.1.4", true, PortState::Open),
            source("10.0.2.99", false, PortState::Filtered),
        ]
    }

    #[test]
    fn kept_when_only_the_allowed_reach_ollama() {
        assert_kept(
            judge(&good()),
            "192.168.1.4 reach SSH and Ollama, 10.0.2.99 only SSH",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |sources| judge(sources),
            &[
                (
                    |sources| sources[0].ollama = PortState::Filtered,
                    "Ollama is Filtered to 192.168.1.4, which is allowed",
                ),
                (
                    |sources| sources[1].ollama = PortState::Open,
                    "Ollama is Open to 10.0.2.99, which is not allowed",
                ),
                (
                    |sources| sources[1].ollama = PortState::Closed,
                    "Ollama is Closed to 10.0.2.99, which is not allowed",
                ),
                (
                    |sources| sources[1].ssh = PortState::Filtered,
                    "SSH is Filtered to 10.0.2.99, not open",
                ),
                (
                    |sources| sources.truncate(1),
                    "no address was found that is not allowed",
                ),
            ],
        );
    }

    #[test]
    fn hosts_inside_and_outside_are_asked() {
        let asked = |networks: &[&str]| -> Vec<String> {
            let networks: Vec<IpNet> = networks.iter().map(|text| text.parse().unwrap()).collect();
            let IpNet::V4(first) = networks[0] else {
                panic!("the first is IPv4")
            };
            let addresses = addresses(&networks, Lan::reached_from(first));
            addresses.iter().map(IpAddr::to_string).collect()
        };
        assert_eq!(
            asked(&["192.168.1.0/24", "fd00:1::/64"]),
            ["192.168.1.1", "fd00:1::1", "10.0.2.99", "fe80::ff:fe00:63"]
        );
        assert_eq!(
            asked(&["10.0.0.0/8"]),
            ["10.0.0.1", "203.0.113.9", "fe80::ff:fe00:63"]
        );
        // The only host that is allowed is the gateway, which has Ollama's answer already.
        assert_eq!(
            asked(&["192.168.1.7/32"]),
            ["10.0.2.99", "fe80::ff:fe00:63"]
        );
    }
}
