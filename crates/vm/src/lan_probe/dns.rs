//! The network's name server (RFC 1035), as far as the harness answers in its place.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use etherparse::{SlicedPacket, TransportSlice};
use simple_dns::rdata::{A, OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use super::packets::{addresses, frame_bytes, ip};
use super::types::LanPeer;

const PORT: u16 = 53;
/// Nothing caches an answer: each look-up reaches the server.
const TTL: u32 = 0;
/// The largest answer that every network carries whole (RFC 9715).
const LARGEST: u16 = 1232;

/// The names that the network's name server knows. It passes on what it is asked about others.
#[derive(Debug, Clone)]
pub struct NameServer {
    /// Where the guest reaches it.
    pub addresses: Vec<IpAddr>,
    pub names: BTreeMap<String, Ipv4Addr>,
}

/// A name server and what it has been asked.
#[derive(Default)]
pub struct Names {
    pub server: Option<NameServer>,
    /// Until then it answers nothing, about any name.
    pub silent_until: Option<Instant>,
    /// The names of its own that it was asked for, in time or too early.
    pub asked: Vec<String>,
}

/// What becomes of a frame that the guest sends.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on to the user-mode network.
    Passed,
    Dropped,
    /// This frame goes back.
    Answered(Vec<u8>),
}

impl Names {
    /// Answers `frame`, if it is a query for a name of the server; notes the query.
    pub fn handle(&mut self, frame: &[u8], now: Instant) -> Outcome {
        let Some(server) = &self.server else {
            return Outcome::Passed;
        };
        let Some(query) = Query::read(server, frame) else {
            return Outcome::Passed;
        };
        let known = server.names.get(&query.name).copied();
        if known.is_some() {
            self.asked.push(query.name.clone());
        }
        if self.silent_until.is_some_and(|until| now < until) {
            return Outcome::Dropped;
        }
        match known.and_then(|address| query.answer(address)) {
            Some(answer) => Outcome::Answered(answer),
            None => Outcome::Passed,
        }
    }
}

/// A query that has reached the server.
struct Query<'a> {
    frame: &'a [u8],
    packet: Packet<'a>,
    /// In small letters, without the final dot.
    name: String,
    client: (IpAddr, u16),
    server: IpAddr,
}

impl<'a> Query<'a> {
    fn read(server: &NameServer, frame: &'a [u8]) -> Option<Self> {
        let sliced = SlicedPacket::from_ethernet(frame).ok()?;
        let (client, to) = addresses(&sliced)?;
        let Some(TransportSlice::Udp(udp)) = sliced.transport else {
            return None;
        };
        if udp.destination_port() != PORT || !server.addresses.contains(&to) {
            return None;
        }
        let packet = Packet::parse(udp.payload()).ok()?;
        let name = packet.questions.first()?.qname.to_string().to_lowercase();
        Some(Query {
            frame,
            packet,
            name,
            client: (client, udp.source_port()),
            server: to,
        })
    }

    /// The frame with the answer: the address, or nothing where another kind of record is asked for.
    fn answer(self, address: Ipv4Addr) -> Option<Vec<u8>> {
        // A client that offers extensions (RFC 6891) takes an answer without them for a defect of the server.
        let extended = self.packet.opt().is_some();
        let mut reply = self.packet.into_reply();
        *reply.opt_mut() = extended.then_some(OPT {
            opt_codes: Vec::new(),
            udp_packet_size: LARGEST,
            version: 0,
        });
        reply.set_flags(PacketFlag::RECURSION_AVAILABLE | PacketFlag::RECURSION_DESIRED);
        let question = reply.questions.first()?;
        if question.qtype == QTYPE::TYPE(TYPE::A) {
            let data = RData::A(A {
                address: address.into(),
            });
            let record = ResourceRecord::new(question.qname.clone(), CLASS::IN, TTL, data);
            reply.answers.push(record);
        }
        let payload = reply.build_bytes_vec().ok()?;
        // As if the server itself had sent it: its card is the one that the query went to.
        let (v4, v6) = match self.server {
            IpAddr::V4(v4) => (v4, Ipv6Addr::UNSPECIFIED),
            IpAddr::V6(v6) => (Ipv4Addr::UNSPECIFIED, v6),
        };
        let us = LanPeer {
            mac: self.frame.get(..6)?.try_into().ok()?,
            v4,
            v6,
        };
        let (client, port) = self.client;
        let mac = self.frame.get(6..12)?.try_into().ok()?;
        Some(frame_bytes(|out| {
            ip(us, mac, client)
                .udp(PORT, port)
                .write(out, &payload)
                .expect("writing to a Vec cannot fail");
        }))
    }
}

/// A query for the IPv4 address of `name`, as a client sends it to a name server's UDP port 53.
///
/// # Panics
/// `name` cannot be a name.
pub fn query(name: &str) -> Vec<u8> {
    let mut packet = Packet::new_query(0x6f6c);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        Name::new(name).expect("a domain name"),
        TYPE::A.into(),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec().expect("a query is short")
}

/// The IPv4 address in the answer `payload` to a [`query`], or what the server said instead.
///
/// # Errors
/// There is no address in it, or it is no answer.
pub fn address(payload: &[u8]) -> Result<Ipv4Addr, String> {
    let packet = Packet::parse(payload).map_err(|_| "not an answer".to_string())?;
    let found = packet
        .answers
        .iter()
        .find_map(|record| match &record.rdata {
            RData::A(a) => Some(Ipv4Addr::from(a.address)),
            _ => None,
        });
    found.ok_or_else(|| format!("no address: {:?}", packet.rcode()))
}

#[cfg(test)]
pub(super) mod tests {
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
        frame_bytes(|frame| {
            ip(GUEST, ROUTER, to)
                .udp(40_000, port)
                .write(frame, payload)
                .unwrap();
        })
    }

    /// A query for the name of the server.
    pub fn sent_query() -> Vec<u8> {
        sent(SERVER.into(), PORT, &query(NAME))
    }

    fn payload_of(outcome: &Outcome) -> (Mac, IpAddr, Vec<u8>) {
        let Outcome::Answered(frame) = outcome else {
            panic!("{outcome:?}");
        };
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let (from, to) = addresses(&packet).unwrap();
        assert!(to == GUEST.v4 || to == GUEST.v6, "{to}");
        assert_eq!(frame[..6], GUEST.mac);
        let Some(TransportSlice::Udp(udp)) = packet.transport else {
            panic!("not UDP");
        };
        assert_eq!((udp.source_port(), udp.destination_port()), (PORT, 40_000));
        (
            frame[6..12].try_into().unwrap(),
            from,
            udp.payload().to_vec(),
        )
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
}
