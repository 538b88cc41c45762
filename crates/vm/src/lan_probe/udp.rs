//! UDP datagrams: reading one from a frame, and writing one into a frame.

use std::net::IpAddr;

use etherparse::{SlicedPacket, TransportSlice};

use super::packets::{addresses, frame_bytes, ip};
use super::types::{LanPeer, Mac};

/// A datagram, with the address and the port of each end.
pub struct Datagram<'a> {
    pub from: (IpAddr, u16),
    pub to: (IpAddr, u16),
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// The datagram in `frame`, if it has one.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let (from, to) = addresses(&packet)?;
        let Some(TransportSlice::Udp(udp)) = packet.transport else {
            return None;
        };
        Some(Datagram {
            from: (from, udp.source_port()),
            to: (to, udp.destination_port()),
            payload: udp.payload(),
        })
    }
}

/// The frame of a datagram from `port` of `us`, for the card `mac`.
pub fn frame(us: LanPeer, port: u16, mac: Mac, to: (IpAddr, u16), payload: &[u8]) -> Vec<u8> {
    frame_bytes(|out| {
        ip(us, mac, to.0)
            .udp(port, to.1)
            .write(out, payload)
            .expect("writing to a Vec cannot fail");
    })
}

/// Whether `frame` comes from a DHCP server for a client (RFC 2131, section 4.1: from port 67 to port 68).
pub fn is_dhcp_answer(frame: &[u8]) -> bool {
    Datagram::read(frame).is_some_and(|datagram| (datagram.from.1, datagram.to.1) == (67, 68))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lan_probe::packets::probe;
    use crate::lan_probe::packets::tests::{GUEST, both, ours};
    use crate::lan_probe::types::{LAN_PEER, Transport};

    #[test]
    fn a_datagram_is_read_as_it_was_written() {
        for target in both() {
            let written = frame(LAN_PEER, 67, GUEST.mac, (target, 68), b"data");
            let read = Datagram::read(&written).unwrap();
            assert_eq!(read.from, (ours(target), 67));
            assert_eq!(read.to, (target, 68));
            assert_eq!(read.payload, b"data");
            assert!(is_dhcp_answer(&written));
            let back = frame(LAN_PEER, 68, GUEST.mac, (target, 67), b"data");
            assert!(!is_dhcp_answer(&back));
            let syn = probe(LAN_PEER, GUEST.mac, target, Transport::Tcp, 68);
            assert!(Datagram::read(&syn).is_none());
        }
        assert!(Datagram::read(&[0; 20]).is_none());
    }
}
