//! What the network can reach, tried by another host on the guest's own segment.

pub mod allowed_networks;
pub mod keeps_to_itself;
pub mod open_ports;
pub mod published_ports;

use std::net::{IpAddr, Ipv6Addr};

use anyhow::{Context as _, Result};
use ipnet::IpNet;

use super::Context;

/// Whether a host at `source` may reach Ollama: an empty list allows every network.
fn is_allowed(networks: &[IpNet], source: IpAddr) -> bool {
    networks.is_empty() || networks.iter().any(|network| network.contains(&source))
}

/// The guest's link-local IPv6 address on the network card that has the IPv4 address.
fn link_local(cx: &mut Context) -> Result<IpAddr> {
    let v4 = cx.machine.lan().guest;
    let text = cx.machine.succeed(&format!(
        "card=$(ip -4 -o addr | grep ' {v4}/' | tr -s ' ' | cut -d' ' -f2); ip -6 -o addr show dev $card scope link | tr -s ' ' | cut -d' ' -f4"
    ))?;
    first_address(&text)
}

/// The first address in `text`, which has one `ADDRESS/PREFIX` per line.
fn first_address(text: &str) -> Result<IpAddr> {
    let line = text.lines().next().unwrap_or_default();
    let address = line.split('/').next().unwrap_or_default();
    let v6: Ipv6Addr = address
        .parse()
        .with_context(|| format!("no link-local address, but {text:?}"))?;
    Ok(v6.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_link_local_address_counts() {
        assert_eq!(
            first_address("fe80::1/64\nfe80::2/64").unwrap().to_string(),
            "fe80::1"
        );
        assert_eq!(
            first_address("").unwrap_err().to_string(),
            "no link-local address, but \"\""
        );
    }
}
