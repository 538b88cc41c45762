//! The name server, asked with frames.

use std::time::Duration;

use super::*;
use crate::lan_probe::packets::tests::GUEST;
use crate::lan_probe::types::Mac;

const NAME: &str = "here.test";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 3);
const ROUTER: Mac = [0x52, 0x55, 10, 0, 2, 3];

pub fn server() -> NameServer {
    NameServer {
        addresses: vec![SERVER.into(), SERVER_V6.into()],
        names: BTreeMap::from([(NAME.to_string(), ADDRESS)]),
    }
}

fn names() -> Names {
    Names {
        server: Some(server()),
        ..Names::default()
    }
}

/// `payload` from the guest to the server at `to`.
fn sent(to: IpAddr, port: u16, payload: &[u8]) -> Vec<u8> {
    udp::frame(GUEST, 40_000, ROUTER, (to, port), payload)
}

/// A query for the name of the server.
pub fn sent_query() -> Vec<u8> {
    sent(SERVER.into(), PORT, &query(NAME))
}

fn payload_of(outcome: &Outcome) -> (Mac, IpAddr, Vec<u8>) {
    let Outcome::Answered(frame) = outcome else {
        panic!("{outcome:?}");
    };
    let Datagram { from, to, payload } = Datagram::read(frame).unwrap();
    assert!(to.0 == GUEST.v4 || to.0 == GUEST.v6, "{}", to.0);
    assert_eq!(frame[..6], GUEST.mac);
    assert_eq!((from.1, to.1), (PORT, 40_000));
    (frame[6..12].try_into().unwrap(), from.0, payload.to_vec())
}

#[test]
fn a_name_of_the_server_is_answered_over_both_protocols() {
    for to in [IpAddr::from(SERVER), SERVER_V6.into()] {
        let frame = sent(to, PORT, &query("Here.TEST"));
        let mut names = names();
        let (mac, from, payload) = payload_of(&names.handle(&frame, Instant::now()));
        assert_eq!((mac, from), (ROUTER, to));
        assert_eq!(address(&payload), Ok(ADDRESS));
        assert_eq!(names.asked, [NAME]);
    }
}

#[test]
fn another_kind_of_record_of_the_name_is_empty() {
    let asked = query(NAME);
    let mut asked = Packet::parse(&asked).unwrap();
    asked.questions[0].qtype = TYPE::AAAA.into();
    let frame = sent(SERVER.into(), PORT, &asked.build_bytes_vec().unwrap());
    let (_, _, payload) = payload_of(&names().handle(&frame, Instant::now()));
    assert_eq!(address(&payload).unwrap_err(), "no address: NoError");
}

#[test]
fn an_answer_has_extensions_if_the_query_has() {
    let plain = query(NAME);
    let mut extended = Packet::parse(&plain).unwrap();
    *extended.opt_mut() = Some(OPT {
        opt_codes: Vec::new(),
        udp_packet_size: 4096,
        version: 0,
    });
    for (asked, size) in [
        (plain.clone(), None),
        (extended.build_bytes_vec().unwrap(), Some(LARGEST)),
    ] {
        let frame = sent(SERVER.into(), PORT, &asked);
        let (_, _, payload) = payload_of(&names().handle(&frame, Instant::now()));
        let reply = Packet::parse(&payload).unwrap();
        assert_eq!(reply.opt().map(|opt| opt.udp_packet_size), size);
        assert_eq!(address(&payload), Ok(ADDRESS));
    }
}

#[test]
fn everything_else_goes_on() {
    let mut names = names();
    for frame in [
        sent(SERVER.into(), PORT, &query("there.test")),
        sent(SERVER.into(), PORT + 1, &query(NAME)),
        sent(Ipv4Addr::new(9, 9, 9, 9).into(), PORT, &query(NAME)),
        sent(SERVER.into(), PORT, b"junk"),
        vec![0; 20],
    ] {
        assert_eq!(names.handle(&frame, Instant::now()), Outcome::Passed);
    }
    assert!(names.asked.is_empty());
    assert_eq!(
        Names::default().handle(&sent_query(), Instant::now()),
        Outcome::Passed
    );
}

#[test]
fn a_late_server_answers_nothing_until_its_time() {
    let mut names = names();
    let start = Instant::now();
    names.silent_until = Some(start + Duration::from_secs(20));
    let other = sent(SERVER.into(), PORT, &query("there.test"));
    assert_eq!(names.handle(&sent_query(), start), Outcome::Dropped);
    assert_eq!(names.handle(&other, start), Outcome::Dropped);
    assert_eq!(names.asked, [NAME]);
    let later = start + Duration::from_secs(20);
    payload_of(&names.handle(&sent_query(), later));
    assert_eq!(names.handle(&other, later), Outcome::Passed);
}

#[test]
fn junk_is_not_an_answer() {
    assert_eq!(address(b"x").unwrap_err(), "not an answer");
}

#[test]
fn tcp_is_refused_and_not_heard_while_the_server_is_late() {
    let opens = frame_bytes(|frame| {
        ip(GUEST, ROUTER, SERVER.into())
            .tcp(40_000, PORT, 7, 1024)
            .syn()
            .write(frame, &[])
            .unwrap();
    });
    let now = Instant::now();
    let mut names = names();
    let Outcome::Answered(frame) = names.handle(&opens, now) else {
        panic!("passed on");
    };
    let packet = SlicedPacket::from_ethernet(&frame).unwrap();
    assert_eq!(addresses(&packet).unwrap().0, IpAddr::from(SERVER));
    let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
        panic!("not TCP");
    };
    assert!(tcp.rst() && tcp.ack());
    assert_eq!(
        (tcp.acknowledgment_number(), tcp.destination_port()),
        (8, 40_000)
    );
    names.silent_until = Some(now + Duration::from_secs(1));
    assert_eq!(names.handle(&opens, now), Outcome::Dropped);
}
