//! Probes, and what answers them.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::lan_probe::types::LAN_PEER;

pub const GUEST: LanPeer = LanPeer {
    mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
    v4: Ipv4Addr::new(10, 0, 2, 15),
    v6: Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456),
};

pub fn both() -> [IpAddr; 2] {
    [GUEST.v4.into(), GUEST.v6.into()]
}

pub fn ours(target: IpAddr) -> IpAddr {
    if target.is_ipv4() {
        LAN_PEER.v4.into()
    } else {
        LAN_PEER.v6.into()
    }
}

#[test]
fn syn_ack_is_open_and_reset_is_closed() {
    for target in both() {
        let tcp = || ip(GUEST, LAN_PEER.mac, ours(target)).tcp(22, SOURCE_PORT, 7, 100);
        let open = frame_bytes(|frame| tcp().syn().ack(SEQUENCE + 1).write(frame, &[]).unwrap());
        let closed = frame_bytes(|frame| tcp().rst().ack(SEQUENCE + 1).write(frame, &[]).unwrap());
        let read = |frame: &[u8]| answer(LAN_PEER, target, Transport::Tcp, frame);
        assert_eq!(
            read(&open),
            Some(Answer {
                port: 22,
                state: PortState::Open
            })
        );
        assert_eq!(
            read(&closed),
            Some(Answer {
                port: 22,
                state: PortState::Closed
            })
        );
        assert_eq!(answer(LAN_PEER, target, Transport::Udp, &open), None);
        let reset = reset(LAN_PEER, GUEST.mac, target, &open);
        let parsed = SlicedPacket::from_ethernet(&reset).unwrap();
        assert!(
            matches!(parsed.transport, Some(TransportSlice::Tcp(tcp)) if tcp.rst() && tcp.destination_port() == 22)
        );
    }
}

#[test]
fn a_canary_is_answered_only_by_its_own_port() {
    for target in both() {
        let ip = || ip(GUEST, LAN_PEER.mac, ours(target));
        let canary = frame_bytes(|frame| {
            ip().tcp(22, CANARY_PORT, 7, 100)
                .syn()
                .ack(1)
                .write(frame, &[])
                .unwrap()
        });
        let other = frame_bytes(|frame| {
            ip().tcp(22, SOURCE_PORT, 7, 100)
                .syn()
                .ack(1)
                .write(frame, &[])
                .unwrap()
        });
        assert!(answers_canary(LAN_PEER, target, 22, &canary));
        assert!(!answers_canary(LAN_PEER, target, 23, &canary));
        assert!(!answers_canary(LAN_PEER, target, 22, &other));
        assert_eq!(
            answer(LAN_PEER, target, Transport::Tcp, &canary),
            None,
            "a canary is not a probe"
        );
    }
}

#[test]
fn port_unreachable_is_closed_and_any_datagram_is_open() {
    for target in both() {
        let sent = probe(LAN_PEER, GUEST.mac, target, Transport::Udp, 5353);
        let quote = &sent[14..];
        let unreachable = frame_bytes(|frame| {
            let ip = ip(GUEST, LAN_PEER.mac, ours(target));
            let done = match target {
                IpAddr::V4(_) => ip.icmpv4_raw(3, 3, [0; 4]).write(frame, quote),
                IpAddr::V6(_) => ip.icmpv6_raw(1, 4, [0; 4]).write(frame, quote),
            };
            done.unwrap();
        });
        let reply = frame_bytes(|frame| {
            ip(GUEST, LAN_PEER.mac, ours(target))
                .udp(5353, SOURCE_PORT)
                .write(frame, b"x")
                .unwrap();
        });
        let read = |frame: &[u8]| answer(LAN_PEER, target, Transport::Udp, frame);
        assert_eq!(
            read(&unreachable),
            Some(Answer {
                port: 5353,
                state: PortState::Closed
            })
        );
        assert_eq!(
            read(&reply),
            Some(Answer {
                port: 5353,
                state: PortState::Open
            })
        );
    }
}

#[test]
fn unrelated_frames_are_not_answers() {
    assert_eq!(answer(LAN_PEER, GUEST.v4.into(), Transport::Tcp, &[]), None);
    assert_eq!(
        answer(LAN_PEER, GUEST.v4.into(), Transport::Tcp, &[0xff; 60]),
        None
    );
}
