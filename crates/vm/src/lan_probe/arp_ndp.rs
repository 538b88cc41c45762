//! Address resolution on the LAN segment: requests, replies, and their reading.
//!
//! Formats: RFC 826 (ARP), RFC 4861 (neighbor discovery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, NetSlice, PacketBuilder, SlicedPacket,
    TransportSlice,
};

use super::packets::frame_bytes;
use super::types::{LanPeer, Mac};

/// Neighbor discovery demands it (RFC 4861, 7.1.1).
const NDP_HOP_LIMIT: u8 = 255;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const BROADCAST: Mac = [0xff; 6];

fn arp(
    us: LanPeer,
    to: Mac,
    operation: ArpOperation,
    target_mac: Mac,
    target: Ipv4Addr,
) -> Vec<u8> {
    let packet = ArpPacket::new(
        etherparse::ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        operation,
        &us.mac,
        &us.v4.octets(),
        &target_mac,
        &target.octets(),
    )
    .expect("the lengths are those of Ethernet and IPv4 addresses");
    frame_bytes(|frame| {
        PacketBuilder::ethernet2(us.mac, to)
            .arp(packet)
            .write(frame)
            .expect("writing to a Vec cannot fail")
    })
}

fn discovery(
    us: LanPeer,
    to_mac: Mac,
    to: Ipv6Addr,
    kind: u8,
    flags: u8,
    target: Ipv6Addr,
    option: u8,
) -> Vec<u8> {
    let mut payload = target.octets().to_vec();
    payload.extend([option, 1]);
    payload.extend(us.mac);
    frame_bytes(|frame| {
        PacketBuilder::ethernet2(us.mac, to_mac)
            .ipv6(us.v6.octets(), to.octets(), NDP_HOP_LIMIT)
            .icmpv6_raw(kind, 0, [flags, 0, 0, 0])
            .write(frame, &payload)
            .expect("writing to a Vec cannot fail");
    })
}

/// A request for the Ethernet address of `target`.
pub fn who_has(us: LanPeer, target: IpAddr) -> Vec<u8> {
    match target {
        IpAddr::V4(v4) => arp(us, BROADCAST, ArpOperation::REQUEST, [0; 6], v4),
        IpAddr::V6(v6) => {
            let [.., a, b, c] = v6.octets();
            let mut group = [0u8; 16];
            group[..2].copy_from_slice(&[0xff, 0x02]);
            group[11..].copy_from_slice(&[0x01, 0xff, a, b, c]);
            let mac = [0x33, 0x33, 0xff, a, b, c];
            discovery(us, mac, group.into(), NEIGHBOR_SOLICITATION, 0, v6, 1)
        }
    }
}

/// The Ethernet address that `frame` gives for `target`, if it is a reply about it.
pub fn resolved(frame: &[u8], target: IpAddr) -> Option<Mac> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    match (packet.net?, target) {
        (NetSlice::Arp(arp), IpAddr::V4(v4)) => {
            let arp = ArpEthIpv4Packet::try_from(arp.to_packet()).ok()?;
            (arp.operation == ArpOperation::REPLY && arp.sender_ipv4 == v4.octets())
                .then_some(arp.sender_mac)
        }
        (NetSlice::Ipv6(_), IpAddr::V6(v6)) => {
            let TransportSlice::Icmpv6(icmp) = packet.transport? else {
                return None;
            };
            let answer = icmp.type_u8() == NEIGHBOR_ADVERTISEMENT
                && icmp.payload().get(..16) == Some(&v6.octets()[..]);
            // The frame's own source serves where the optional address is left out.
            answer.then(|| frame[6..12].try_into().ok()).flatten()
        }
        _ => None,
    }
}

/// The reply to a request for our own address.
pub fn reply_to_request(us: LanPeer, frame: &[u8]) -> Option<Vec<u8>> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    match packet.net? {
        NetSlice::Arp(arp) => {
            let arp = ArpEthIpv4Packet::try_from(arp.to_packet()).ok()?;
            (arp.operation == ArpOperation::REQUEST && arp.target_ipv4 == us.v4.octets()).then(
                || {
                    self::arp(
                        us,
                        arp.sender_mac,
                        ArpOperation::REPLY,
                        arp.sender_mac,
                        arp.sender_ipv4.into(),
                    )
                },
            )
        }
        NetSlice::Ipv6(v6) => {
            let TransportSlice::Icmpv6(icmp) = packet.transport? else {
                return None;
            };
            let for_us = icmp.type_u8() == NEIGHBOR_SOLICITATION
                && icmp.payload().get(..16) == Some(&us.v6.octets()[..]);
            for_us.then(|| {
                let mac = frame[6..12]
                    .try_into()
                    .expect("an Ethernet header was parsed");
                // Solicited, override.
                discovery(
                    us,
                    mac,
                    v6.header().source_addr(),
                    NEIGHBOR_ADVERTISEMENT,
                    0x60,
                    us.v6,
                    2,
                )
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lan_probe::packets::tests::{GUEST, both, ours};
    use crate::lan_probe::types::LAN_PEER;

    #[test]
    fn a_request_for_an_address_gets_the_card_behind_it() {
        for target in both() {
            let request = who_has(LAN_PEER, target);
            let reply = reply_to_request(GUEST, &request).expect("the request is for the guest");
            assert_eq!(resolved(&reply, target), Some(GUEST.mac));
            assert_eq!(resolved(&reply, ours(target)), None, "another address");
            assert_eq!(reply_to_request(LAN_PEER, &request), None, "not for us");
        }
    }

    #[test]
    fn unrelated_frames_are_not_requests() {
        assert_eq!(reply_to_request(LAN_PEER, &[0; 13]), None);
    }
}
