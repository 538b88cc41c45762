//! The network that the guest is plugged into, as data.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;

/// QEMU's user-mode network of 256 addresses. The guest sees the host's forwarded connections come from `gateway`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lan {
    pub network: Ipv4Net,
    pub gateway: Ipv4Addr,
    pub name_server: Ipv4Addr,
    /// The address that DHCP gives the guest.
    pub guest: Ipv4Addr,
}

impl Default for Lan {
    /// 10.0.2.0/24, QEMU's default.
    fn default() -> Self {
        Lan::reached_from(Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 2, 0), 24))
    }
}

/// The name server that router advertisements give the guest: QEMU's default.
const NAME_SERVER_V6: Ipv6Addr = Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 3);

impl Lan {
    /// The addresses of the name server.
    pub fn name_servers(&self) -> Vec<IpAddr> {
        vec![self.name_server.into(), NAME_SERVER_V6.into()]
    }

    /// A network whose gateway is a host of `allowed`.
    #[must_use]
    pub fn reached_from(allowed: Ipv4Net) -> Self {
        let allowed = allowed.trunc();
        let first = u32::from(allowed.network());
        let base = first & 0xffff_ff00;
        let host = match allowed.prefix_len() {
            0..=29 => first + 2,
            30 => first + 1,
            _ => first,
        };
        // The first address from `wanted` on that no other host has.
        let free = |wanted: u32, taken: &[u32]| {
            let mut candidates = base + wanted..base + 255;
            candidates
                .find(|address| !taken.contains(address))
                .unwrap_or(base + wanted)
        };
        let name_server = free(3, &[host]);
        let guest = free(15, &[host, name_server]);
        Lan {
            network: Ipv4Net::new_assert(base.into(), 24),
            gateway: host.into(),
            name_server: name_server.into(),
            guest: guest.into(),
        }
    }

    /// The options of QEMU's user-mode network.
    pub(crate) fn options(&self) -> String {
        let Lan {
            network,
            gateway,
            name_server,
            guest,
        } = self;
        format!("net={network},host={gateway},dns={name_server},dhcpstart={guest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_qemus() {
        assert_eq!(
            Lan::default().options(),
            "net=10.0.2.0/24,host=10.0.2.2,dns=10.0.2.3,dhcpstart=10.0.2.15"
        );
    }

    #[test]
    fn the_gateway_is_in_the_allowed_network_and_no_address_is_given_twice() {
        let cases = [
            ("192.168.1.0/24", "192.168.1.2"),
            ("192.168.1.7/24", "192.168.1.2"),
            ("10.0.0.0/8", "10.0.0.2"),
            ("0.0.0.0/0", "0.0.0.2"),
            ("192.168.1.16/30", "192.168.1.17"),
            ("192.168.1.3/32", "192.168.1.3"),
            ("192.168.1.15/32", "192.168.1.15"),
            ("192.168.1.64/26", "192.168.1.66"),
        ];
        for (allowed, gateway) in cases {
            let allowed: Ipv4Net = allowed.parse().unwrap();
            let lan = Lan::reached_from(allowed);
            assert_eq!(lan.gateway.to_string(), gateway, "{allowed}");
            assert!(allowed.contains(&lan.gateway), "{allowed}");
            for address in [lan.gateway, lan.name_server, lan.guest] {
                assert!(lan.network.contains(&address), "{lan:?}");
            }
            assert_ne!(lan.guest, lan.gateway);
            assert_ne!(lan.name_server, lan.gateway);
            assert_ne!(lan.name_server, lan.guest);
        }
    }
}
