//! The frames that probe ports, and the frames that answer them.
//!
//! Formats: RFC 9293 (TCP), RFC 792 and RFC 4443 (ICMP).

use std::net::IpAddr;

use etherparse::{
    Icmpv4Type, Icmpv6Type, NetSlice, PacketBuilder, PacketBuilderStep, SlicedPacket,
    TransportSlice, icmpv4, icmpv6,
};

use super::types::{Answer, LanPeer, Mac, PortState, Transport};

/// The source port of probes (and of resets, but not of canaries); the guest answers to it.
pub const SOURCE_PORT: u16 = 40_022;
/// The source port of canaries.
pub const CANARY_PORT: u16 = 40_023;
/// The initial sequence number of every SYN.
const SEQUENCE: u32 = 0x5eed_0001;
const WINDOW: u16 = 1024;
const HOP_LIMIT: u8 = 64;

/// The bytes that `step` writes.
pub fn frame_bytes(step: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = Vec::with_capacity(96);
    step(&mut frame);
    frame
}

/// The Ethernet and IP headers of a packet from `us`.
pub fn ip(us: LanPeer, mac: Mac, target: IpAddr) -> PacketBuilderStep<etherparse::IpHeaders> {
    let ethernet = PacketBuilder::ethernet2(us.mac, mac);
    match target {
        IpAddr::V4(v4) => ethernet.ipv4(us.v4.octets(), v4.octets(), HOP_LIMIT),
        IpAddr::V6(v6) => ethernet.ipv6(us.v6.octets(), v6.octets(), HOP_LIMIT),
    }
}

/// Source and destination of an IP packet.
pub fn addresses(packet: &SlicedPacket) -> Option<(IpAddr, IpAddr)> {
    match packet.net.as_ref()? {
        NetSlice::Ipv4(v4) => Some((
            v4.header().source_addr().into(),
            v4.header().destination_addr().into(),
        )),
        NetSlice::Ipv6(v6) => Some((
            v6.header().source_addr().into(),
            v6.header().destination_addr().into(),
        )),
        NetSlice::Arp(_) => None,
    }
}

/// A SYN, or an empty datagram, to `port`.
pub fn probe(us: LanPeer, mac: Mac, target: IpAddr, transport: Transport, port: u16) -> Vec<u8> {
    frame_bytes(|frame| {
        let done = match transport {
            Transport::Tcp => ip(us, mac, target)
                .tcp(SOURCE_PORT, port, SEQUENCE, WINDOW)
                .syn()
                .write(frame, &[]),
            Transport::Udp => ip(us, mac, target).udp(SOURCE_PORT, port).write(frame, &[]),
        };
        done.expect("writing to a Vec cannot fail");
    })
}

/// A SYN to a port that is known to be open, sent after a burst of probes: once it is answered, the guest has dealt with the
/// burst, so a silent port is filtered and not just slow. It differs from a [`probe`] in its source port.
pub fn canary(us: LanPeer, mac: Mac, target: IpAddr, port: u16) -> Vec<u8> {
    frame_bytes(|frame| {
        ip(us, mac, target)
            .tcp(CANARY_PORT, port, SEQUENCE, WINDOW)
            .syn()
            .write(frame, &[])
            .expect("writing to a Vec cannot fail");
    })
}

/// Whether `frame` answers a [`canary`].
pub fn answers_canary(us: LanPeer, target: IpAddr, port: u16, frame: &[u8]) -> bool {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else {
        return false;
    };
    let from_target = addresses(&packet).is_some_and(|(source, _)| source == target);
    let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
        return false;
    };
    from_target
        && frame[..6] == us.mac
        && tcp.source_port() == port
        && tcp.destination_port() == CANARY_PORT
        && tcp.syn()
        && tcp.ack()
}

/// The RST that closes the connection offered by the SYN-ACK in `frame`.
pub fn reset(us: LanPeer, mac: Mac, target: IpAddr, frame: &[u8]) -> Vec<u8> {
    let (port, ours) = match SlicedPacket::from_ethernet(frame)
        .ok()
        .and_then(|packet| packet.transport)
    {
        Some(TransportSlice::Tcp(tcp)) => (tcp.source_port(), tcp.destination_port()),
        _ => (0, SOURCE_PORT),
    };
    frame_bytes(|out| {
        ip(us, mac, target)
            .tcp(ours, port, SEQUENCE.wrapping_add(1), 0)
            .rst()
            .write(out, &[])
            .expect("writing to a Vec cannot fail");
    })
}

/// What `frame` says about a port of `target`, if it answers a [`probe`].
pub fn answer(us: LanPeer, target: IpAddr, transport: Transport, frame: &[u8]) -> Option<Answer> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (source, destination) = addresses(&packet)?;
    if source != target || (destination != IpAddr::V4(us.v4) && destination != IpAddr::V6(us.v6)) {
        return None;
    }
    match (packet.transport?, transport) {
        (TransportSlice::Tcp(tcp), Transport::Tcp) if tcp.destination_port() == SOURCE_PORT => {
            let state = match (tcp.syn(), tcp.ack(), tcp.rst()) {
                (true, true, false) => PortState::Open,
                (_, _, true) => PortState::Closed,
                _ => return None,
            };
            Some(Answer {
                port: tcp.source_port(),
                state,
            })
        }
        (TransportSlice::Udp(udp), Transport::Udp) if udp.destination_port() == SOURCE_PORT => {
            Some(Answer {
                port: udp.source_port(),
                state: PortState::Open,
            })
        }
        (TransportSlice::Icmpv4(icmp), _) => match icmp.icmp_type() {
            Icmpv4Type::DestinationUnreachable(icmpv4::DestUnreachableHeader::Port) => {
                quoted_port(icmp.payload(), 20).map(|port| Answer {
                    port,
                    state: PortState::Closed,
                })
            }
            _ => None,
        },
        (TransportSlice::Icmpv6(icmp), _) => match icmp.icmp_type() {
            Icmpv6Type::DestinationUnreachable(icmpv6::DestUnreachableCode::Port) => {
                quoted_port(icmp.payload(), 40).map(|port| Answer {
                    port,
                    state: PortState::Closed,
                })
            }
            _ => None,
        },
        _ => None,
    }
}

/// The destination port in the packet that an ICMP error quotes: ours have no options, so the header's length is known.
fn quoted_port(quote: &[u8], header: usize) -> Option<u16> {
    Some(u16::from_be_bytes(
        quote.get(header + 2..header + 4)?.try_into().ok()?,
    ))
}

#[cfg(test)]
pub(super) mod tests;
