//! Who has an address, on the neighbour's wire: asked, answered, understood.
//!
//! Formats: RFC 826 (ARP), RFC 4861 (neighbour discovery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, NetSlice, PacketBuilder, SlicedPacket,
    TransportSlice,
};

use crate::lan_probe::{LanPeer, Mac};
use crate::packets::written;

/// LanPeer discovery demands it (RFC 4861, 7.1.1).
const NDP_HOP_LIMIT: u8 = 255;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
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
    .expect("Ethernet and IPv4 addresses have the lengths that ARP wants");
    written(|frame| {
        PacketBuilder::ethernet2(us.mac, to)
            .arp(packet)
            .write(frame)
            .expect("a vector takes all")
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
    written(|frame| {
        PacketBuilder::ethernet2(us.mac, to_mac)
            .ipv6(us.v6.octets(), to.octets(), NDP_HOP_LIMIT)
            .icmpv6_raw(kind, 0, [flags, 0, 0, 0])
            .write(frame, &payload)
            .expect("a vector takes all");
    })
}

/// Asks who holds `target`.
pub fn who_has(us: LanPeer, target: IpAddr) -> Vec<u8> {
    match target {
        IpAddr::V4(v4) => arp(us, BROADCAST, ArpOperation::REQUEST, [0; 6], v4),
        IpAddr::V6(v6) => {
            let [.., a, b, c] = v6.octets();
            let mut group = [0u8; 16];
            group[..2].copy_from_slice(&[0xff, 0x02]);
            group[11..].copy_from_slice(&[0x01, 0xff, a, b, c]);
            let mac = [0x33, 0x33, 0xff, a, b, c];
            discovery(us, mac, group.into(), NEIGHBOUR_SOLICITATION, 0, v6, 1)
        }
    }
}

/// The Ethernet address that `frame` gives for `target`, if it is such an answer.
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
            let answer = icmp.type_u8() == NEIGHBOUR_ADVERTISEMENT
                && icmp.payload().get(..16) == Some(&v6.octets()[..]);
            // The frame's own source serves where the optional address is left out.
            answer.then(|| frame[6..12].try_into().ok()).flatten()
        }
        _ => None,
    }
}

/// The reply to a question for the neighbour's own address.
pub fn reply_to_question(us: LanPeer, frame: &[u8]) -> Option<Vec<u8>> {
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
            let asks_us = icmp.type_u8() == NEIGHBOUR_SOLICITATION
                && icmp.payload().get(..16) == Some(&us.v6.octets()[..]);
            asks_us.then(|| {
                let mac = frame[6..12]
                    .try_into()
                    .expect("an Ethernet header was parsed");
                // Solicited, override.
                discovery(
                    us,
                    mac,
                    v6.header().source_addr(),
                    NEIGHBOUR_ADVERTISEMENT,
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
    use crate::lan_probe::LAN_PEER;
    use crate::packets::tests::{GUEST, both, ours};

    #[test]
    fn a_question_for_an_address_gets_the_card_behind_it() {
        for target in both() {
            let question = who_has(LAN_PEER, target);
            let reply = reply_to_question(GUEST, &question).expect("the guest is asked");
            assert_eq!(resolved(&reply, target), Some(GUEST.mac));
            assert_eq!(
                resolved(&reply, ours(target)),
                None,
                "that was not the question"
            );
            assert_eq!(reply_to_question(LAN_PEER, &question), None, "not asked");
        }
    }

    #[test]
    fn noise_is_no_question() {
        assert_eq!(reply_to_question(LAN_PEER, &[0; 13]), None);
    }
}
