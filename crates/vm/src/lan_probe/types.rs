//! The words that the LAN probe and its packets share.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// A host on the LAN segment: its addresses.
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

/// What one frame says about one port.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub port: u16,
    pub state: PortState,
}
