//! The words that the LAN probe and its packets share.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// The addresses that a host on the LAN segment goes by.
#[derive(Debug, Clone, Copy)]
pub struct LanPeer {
    pub mac: Mac,
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
}

/// The probe itself: a locally administered MAC address, an IPv4 address beside the guest's on QEMU's default network, and
/// the link-local IPv6 address that belongs to the MAC address (RFC 4291, appendix A).
pub const LAN_PEER: LanPeer = LanPeer {
    mac: [0x02, 0, 0, 0, 0, 0x63],
    v4: Ipv4Addr::new(10, 0, 2, 99),
    v6: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x00ff, 0xfe00, 0x0063),
};

impl LanPeer {
    /// The probe at other addresses, on the guest's network or not: its card stays the same. See
    /// [`LanProbe::at`](super::LanProbe::at).
    #[must_use]
    pub const fn at(v4: Ipv4Addr, v6: Ipv6Addr) -> Self {
        LanPeer {
            mac: LAN_PEER.mac,
            v4,
            v6,
        }
    }

    /// Whether `frame` is an IP packet for one of its addresses; its MAC address does not matter.
    pub(super) fn is_addressed_by(&self, frame: &[u8]) -> bool {
        // RFC 791, 3.1 and RFC 8200, 3: the destination ends the IPv4 and the IPv6 header.
        match frame.get(12..14) {
            Some([0x08, 0x00]) => frame.get(30..34) == Some(&self.v4.octets()[..]),
            Some([0x86, 0xdd]) => frame.get(38..54) == Some(&self.v6.octets()[..]),
            _ => false,
        }
    }
}

/// How a port answers a probe from the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortState {
    /// A SYN gets a SYN-ACK; a datagram gets a datagram.
    Open,
    /// The guest refuses: RST, or ICMP "port unreachable".
    Closed,
    /// No answer at all.
    Filtered,
}

/// The transport that a port belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    Tcp,
    Udp,
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// The state of each port, in the order that was asked for.
    pub ports: Vec<(u16, PortState)>,
    /// How many probes were sent: one for each port, and more where silent ports were probed again.
    pub sent: usize,
}

/// What one frame says about one port.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub port: u16,
    pub state: PortState,
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::lan_probe::packets;

    #[test]
    fn a_packet_is_for_the_peer_that_has_its_address() {
        let peer = LanPeer::at(
            Ipv4Addr::new(192, 168, 7, 7),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7),
        );
        for to in [IpAddr::from(peer.v4), peer.v6.into()] {
            let router = [0x52, 0x55, 0, 0, 0, 1];
            let frame = packets::probe(LAN_PEER, router, to, Transport::Udp, 53);
            assert!(peer.is_addressed_by(&frame), "{to}");
            assert!(!LAN_PEER.is_addressed_by(&frame), "{to}");
            assert!(!peer.is_addressed_by(&frame[..30]), "a frame that is cut");
        }
    }
}
