//! The probe at other addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::dns;
use super::fake_guest::{Behavior, Segment};
use super::ntp;
use super::packets::tests::both;
use super::relay::{locked, read_frame, write_frame};
use super::tests::{PACED, SSH, listens_on};
use super::types::{LAN_PEER, LanPeer, PortState, Transport};

/// A host of another network.
const FAR: LanPeer = LanPeer::at(
    Ipv4Addr::new(192, 168, 7, 7),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7),
);

#[test]
fn answers_reach_the_probe_at_any_address_even_through_the_router() {
    for router in [None, Some([0x52, 0x55, 10, 0, 2, 2])] {
        for target in both() {
            let behavior = Behavior {
                router,
                ..listens_on([SSH, 80])
            };
            let mut segment = Segment::new(behavior, PACED);
            let probe = &mut segment.probe;
            let found = probe.at(FAR, |probe| {
                probe.scan(target, Transport::Tcp, &[80, 81], SSH)
            });
            let states = [(80, PortState::Open), (81, PortState::Filtered)];
            assert_eq!(found.unwrap().ports, states, "{router:?} {target}");
            let from: IpAddr = if target.is_ipv4() {
                FAR.v4.into()
            } else {
                FAR.v6.into()
            };
            let seen = locked(&segment.seen);
            assert_eq!(seen.sources, BTreeSet::from([from]), "{router:?} {target}");
            assert_eq!(seen.canaries, 1);
        }
    }
}

#[test]
fn the_probe_has_its_own_addresses_again_even_after_an_error() {
    let mut segment = Segment::new(listens_on([SSH, 80]), PACED);
    let failed = segment
        .probe
        .at(FAR, |_| Err::<(), _>(anyhow::anyhow!("failed")));
    assert_eq!(failed.unwrap_err().to_string(), "failed");
    let target = both()[0];
    let found = segment.probe.scan(target, Transport::Tcp, &[80], SSH);
    assert_eq!(found.unwrap().ports, [(80, PortState::Open)]);
    let seen = locked(&segment.seen);
    assert_eq!(seen.sources, BTreeSet::from([LAN_PEER.v4.into()]));
}

#[test]
fn the_probe_serves_the_time_to_the_first_who_asks() {
    let mut segment = Segment::new(listens_on([SSH]), PACED);
    let request = ntp::tests::request(LAN_PEER.v4.into(), ntp::PORT, ntp::CLIENT);
    write_frame(&mut segment.guest, &request).unwrap();
    let probe = &mut segment.probe;
    probe
        .serve_time(Duration::ZERO, Duration::from_secs(20))
        .unwrap();
    let none = probe.serve_time(Duration::ZERO, Duration::ZERO);
    assert_eq!(none.unwrap_err().to_string(), "no NTP request within 0 s");
}

#[test]
fn names_are_answered_on_the_way_and_other_frames_go_on() {
    let mut segment = Segment::without_guest(PACED);
    let query = dns::tests::sent_query();
    write_frame(&mut segment.guest, &query).unwrap();
    assert_eq!(read_frame(&mut segment.network).unwrap(), query);
    segment
        .probe
        .serve_names(dns::tests::server(), Duration::ZERO);
    write_frame(&mut segment.guest, &query).unwrap();
    let answer = read_frame(&mut segment.guest).unwrap();
    assert_eq!(answer[..6], query[6..12]);
    let other = ntp::tests::request(LAN_PEER.v4.into(), ntp::PORT, ntp::CLIENT);
    write_frame(&mut segment.guest, &other).unwrap();
    assert_eq!(segment.probe.names_asked(), ["here.test"]);
}
