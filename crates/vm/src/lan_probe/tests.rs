//! The probe on a segment with a fake guest. Time limits are only upper bounds: no test measures time.

use std::collections::BTreeMap;
use std::time::Duration;

use etherparse::PacketBuilder;

use super::fake_guest::{Behavior, Segment};
use super::packets::frame_bytes;
use super::packets::tests::{GUEST, both};
use super::relay::{locked, read_frame, write_frame};
use super::types::{LAN_PEER, PortState, Scanned, Transport};
use super::{PACING, Pacing, arp_ndp};

const DEADLINE: Duration = Duration::from_secs(20);
pub const SSH: u16 = 22;

/// For a guest that answers canaries: its answers come before the canary's, so nothing waits.
pub const PACED: Pacing = Pacing {
    canary: DEADLINE,
    last_answer: Duration::from_millis(1),
    ..PACING
};
/// For a guest that does not answer canaries.
const UNPACED: Pacing = Pacing {
    canary: Duration::from_millis(1),
    last_answer: Duration::from_millis(400),
    ..PACING
};

fn ports(
    transport: Transport,
    states: &[(u16, PortState)],
) -> BTreeMap<(Transport, u16), PortState> {
    let ports = states.iter();
    ports
        .map(|&(port, state)| ((transport, port), state))
        .collect()
}

pub fn listens_on(ports_: impl IntoIterator<Item = u16>) -> Behavior {
    let states: Vec<_> = ports_
        .into_iter()
        .map(|port| (port, PortState::Open))
        .collect();
    Behavior {
        ports: ports(Transport::Tcp, &states),
        canary: true,
        ..Behavior::default()
    }
}

/// Waits until the guest has handled every frame that was sent so far.
fn sync(segment: &mut Segment) {
    segment.probe.resolve(GUEST.v4.into(), DEADLINE).unwrap();
}

#[test]
fn open_closed_and_filtered_ports_differ() {
    let states = [
        (SSH, PortState::Open),
        (80, PortState::Closed),
        (81, PortState::Filtered),
    ];
    for transport in [Transport::Tcp, Transport::Udp] {
        for target in both() {
            let behavior = Behavior {
                ports: ports(transport, &states[..2]),
                canary: true,
                ..Behavior::default()
            };
            let mut segment = Segment::new(behavior, PACED);
            let found = segment.probe.scan(target, transport, &[SSH, 80, 81], SSH);
            assert_eq!(found.unwrap().ports, states, "{transport:?} {target}");
        }
    }
}

#[test]
fn with_canaries_each_port_is_probed_once_and_a_burst_fits_the_ring() {
    let all: Vec<u16> = (1..=700).collect();
    let mut segment = Segment::new(listens_on([SSH, 600]), PACED);
    let target = GUEST.v4.into();
    let Scanned { ports: found, sent } = segment
        .probe
        .scan(target, Transport::Tcp, &all, SSH)
        .unwrap();
    assert_eq!(sent, 700);
    let open = |&(_, state): &(u16, PortState)| state == PortState::Open;
    let open: Vec<u16> = found
        .iter()
        .copied()
        .filter(open)
        .map(|found| found.0)
        .collect();
    assert_eq!(open, [SSH, 600]);
    let seen = locked(&segment.seen);
    assert!(seen.probes.values().all(|count| *count == 1));
    assert_eq!((seen.probes.len(), seen.canaries), (700, 4));
    // virtio-net's ring has 256 entries; the canary takes one.
    assert!(seen.burst < 256, "{}", seen.burst);
}

#[test]
fn without_canaries_silent_ports_are_probed_in_three_rounds() {
    let scan = |loses_of_each| {
        let behavior = Behavior {
            canary: false,
            loses_of_each,
            ..listens_on([SSH, 80])
        };
        let mut segment = Segment::new(behavior, UNPACED);
        let target = GUEST.v6.into();
        let found = segment.probe.scan(target, Transport::Tcp, &[80, 81], SSH);
        let Scanned { ports, sent } = found.unwrap();
        (ports[0].1, sent, locked(&segment.seen).probes[&80])
    };
    assert_eq!(scan(2), (PortState::Open, 6, 3));
    assert_eq!(scan(3), (PortState::Filtered, 6, 3));
}

#[test]
fn a_lost_burst_is_sent_again() {
    let all: Vec<u16> = (1..=300).collect();
    let behavior = Behavior {
        loses_first: PACING.burst + 1,
        ..listens_on([SSH, 299])
    };
    let mut segment = Segment::new(behavior, UNPACED);
    let found = segment
        .probe
        .scan(GUEST.v4.into(), Transport::Tcp, &all, SSH);
    let found = found.unwrap().ports;
    assert_eq!(found[usize::from(SSH) - 1], (SSH, PortState::Open));
    assert_eq!(found[298], (299, PortState::Open));
    assert_eq!(found[99], (100, PortState::Filtered));
    let seen = locked(&segment.seen);
    assert_eq!(seen.canaries, 1, "one lost canary ends the pacing");
    assert_eq!(seen.probes[&100], 3);
}

#[test]
fn every_offered_connection_is_reset() {
    let mut segment = Segment::new(listens_on([SSH, 80]), PACED);
    let found = segment
        .probe
        .scan(GUEST.v4.into(), Transport::Tcp, &[80], SSH);
    found.unwrap();
    sync(&mut segment);
    let mut resets = locked(&segment.seen).resets.clone();
    resets.sort_unstable();
    assert_eq!(resets, [SSH, 80], "the canary's and the probe's");
}

#[test]
fn the_probe_answers_requests_for_its_own_address() {
    // It waits no longer than until the port has answered.
    let pacing = Pacing {
        last_answer: DEADLINE,
        ..PACED
    };
    for target in both() {
        let mut segment = Segment::new(listens_on([SSH]), pacing);
        let state = segment.probe.ask_via(GUEST.mac, target, SSH).unwrap();
        assert_eq!(state, PortState::Open);
        sync(&mut segment);
        let seen = locked(&segment.seen);
        assert!(seen.peer_resolved, "{target}");
        assert_eq!(seen.probes[&SSH], 1, "one answer is enough");
    }
}

#[test]
fn a_silent_router_leaves_a_port_filtered() {
    let pacing = Pacing {
        last_answer: Duration::from_millis(1),
        ..PACING
    };
    let mut segment = Segment::new(listens_on([SSH]), pacing);
    let elsewhere = [172, 17, 0, 2].into();
    let state = segment.probe.ask_via(GUEST.mac, elsewhere, 80).unwrap();
    assert_eq!(state, PortState::Filtered);
    sync(&mut segment);
    assert_eq!(locked(&segment.seen).probes[&80], PACING.rounds);
}

#[test]
fn a_guest_that_does_not_resolve_is_an_error() {
    let behavior = Behavior {
        dead: true,
        ..Behavior::default()
    };
    let mut segment = Segment::new(behavior, PACED);
    let error = segment
        .probe
        .resolve(GUEST.v4.into(), Duration::from_millis(1));
    let message = "10.0.2.15 does not answer on the LAN segment";
    assert_eq!(error.unwrap_err().to_string(), message);
}

#[test]
fn a_closed_channel_is_an_error() {
    let Segment {
        mut probe, guest, ..
    } = Segment::without_guest(PACED);
    drop(guest);
    let error = probe.resolve(GUEST.v4.into(), DEADLINE).unwrap_err();
    assert_eq!(error.to_string(), "the guest's network channel is closed");
}

/// A datagram between two hosts that are not the probe.
fn datagram(to: [u8; 6], ports: (u16, u16)) -> Vec<u8> {
    frame_bytes(|frame| {
        PacketBuilder::ethernet2(GUEST.mac, to)
            .ipv4([10, 0, 2, 15], [10, 0, 2, 2], 64)
            .udp(ports.0, ports.1)
            .write(frame, b"data")
            .unwrap();
    })
}

#[test]
fn the_network_gets_all_frames_but_the_probes() {
    let mut segment = Segment::without_guest(PACED);
    let gateway = datagram([0x52, 0x55, 10, 0, 2, 2], (1000, 53));
    let to_probe = datagram(LAN_PEER.mac, (1000, 53));
    let broadcast = arp_ndp::who_has(GUEST, LAN_PEER.v4.into());
    for frame in [&to_probe, &broadcast, &gateway] {
        write_frame(&mut segment.guest, frame).unwrap();
    }
    for frame in [&broadcast, &gateway] {
        assert_eq!(&read_frame(&mut segment.network).unwrap(), frame);
    }
    // The probe has both others: it hands out the one, and answers the broadcast.
    let end = std::time::Instant::now() + DEADLINE;
    assert_eq!(segment.probe.receive(end).unwrap(), Some(to_probe));
    assert_eq!(
        segment.probe.receive(std::time::Instant::now()).unwrap(),
        None
    );
    let reply = read_frame(&mut segment.guest).unwrap();
    assert_eq!(
        arp_ndp::resolved(&reply, LAN_PEER.v4.into()),
        Some(LAN_PEER.mac)
    );
}

#[test]
fn dhcp_answers_are_withheld_while_the_server_is_silent() {
    let answer = datagram(GUEST.mac, (67, 68));
    let other = datagram(GUEST.mac, (53, 1000));
    let passed = |silence: Option<Duration>| {
        let mut segment = Segment::without_guest(PACED);
        if let Some(time) = silence {
            segment.probe.silence_dhcp(time);
        }
        for frame in [&answer, &other] {
            write_frame(&mut segment.network, frame).unwrap();
        }
        let mut passed = vec![read_frame(&mut segment.guest).unwrap()];
        if passed[0] == answer {
            passed.push(read_frame(&mut segment.guest).unwrap());
        }
        (passed, segment.probe.withheld())
    };
    let hour = Duration::from_secs(3600);
    let both = vec![answer.clone(), other.clone()];
    assert_eq!(passed(None), (both.clone(), 0));
    assert_eq!(passed(Some(hour)), (vec![other.clone()], 1));
    assert_eq!(
        passed(Some(Duration::ZERO)),
        (both, 0),
        "the silence is over"
    );
}
