//! The network's name server (RFC 1035): the harness answers for some names in its place.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use etherparse::{SlicedPacket, TransportSlice};
use simple_dns::rdata::{A, OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use super::LanProbe;
use super::packets::{addresses, frame_bytes, ip};
use super::relay::locked;
use super::types::{LanPeer, Mac};
use super::udp::{self, Datagram};

pub const PORT: u16 = 53;
/// Nothing caches an answer: each look-up reaches the server.
const TTL: u32 = 0;
/// The largest answer that every network carries whole (RFC 9715).
const LARGEST: u16 = 1232;

/// A name server that the harness answers for. Queries for other names go on to the real one.
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
        let silent = self.silent_until.is_some_and(|until| now < until);
        if let Some(reset) = refused(server, frame) {
            return if silent {
                Outcome::Dropped
            } else {
                Outcome::Answered(reset)
            };
        }
        let Some(query) = Query::read(server, frame) else {
            return Outcome::Passed;
        };
        let known = server.names.get(&query.name).copied();
        if known.is_some() {
            self.asked.push(query.name.clone());
        }
        if silent {
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
    name: String,
    client: (IpAddr, u16),
    server: IpAddr,
}

impl<'a> Query<'a> {
    fn read(server: &NameServer, frame: &'a [u8]) -> Option<Self> {
        let Datagram { from, to, payload } = Datagram::read(frame)?;
        if to.1 != PORT || !server.addresses.contains(&to.0) {
            return None;
        }
        let packet = Packet::parse(payload).ok()?;
        let name = name_in(&packet)?;
        Some(Query {
            frame,
            packet,
            name,
            client: from,
            server: to.0,
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
        let (us, mac) = ends(self.frame, self.server)?;
        Some(udp::frame(us, PORT, mac, self.client, &payload))
    }
}

/// The name in the first question of `packet`: in small letters, without the final dot.
fn name_in(packet: &Packet) -> Option<String> {
    let question = packet.questions.first()?;
    Some(question.qname.to_string().to_lowercase())
}

/// The name that the query `payload` asks for; `None` if it cannot be read.
pub fn asked_for(payload: &[u8]) -> Option<String> {
    name_in(&Packet::parse(payload).ok()?)
}

/// The reset that refuses the TCP connection which `frame` opens to the server. It answers over UDP only: a client whose queries
/// were lost tries TCP, and would ask the real server about names that this one knows.
fn refused(server: &NameServer, frame: &[u8]) -> Option<Vec<u8>> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let (client, to) = addresses(&sliced)?;
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
        return None;
    };
    if tcp.destination_port() != PORT || !server.addresses.contains(&to) {
        return None;
    }
    let (us, mac) = ends(frame, to)?;
    Some(frame_bytes(|out| {
        ip(us, mac, client)
            .tcp(PORT, tcp.source_port(), 0, 0)
            .rst()
            .ack(tcp.sequence_number().wrapping_add(1))
            .write(out, &[])
            .expect("writing to a Vec cannot fail");
    }))
}

/// The server at `server` and the client's card, for an answer to `frame`. It looks as if the server had sent it: its card is the
/// one that the frame went to.
fn ends(frame: &[u8], server: IpAddr) -> Option<(LanPeer, Mac)> {
    let (v4, v6) = match server {
        IpAddr::V4(v4) => (v4, Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(v6) => (Ipv4Addr::UNSPECIFIED, v6),
    };
    let mac = frame.get(..6)?.try_into().ok()?;
    let client = frame.get(6..12)?.try_into().ok()?;
    Some((LanPeer { mac, v4, v6 }, client))
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
/// The payload is not an answer, or has no address.
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

impl LanProbe {
    /// From now on, answers for the names of `server` in the place of the network's name server. For the time `late`, that one
    /// answers nothing at all.
    pub fn serve_names(&mut self, server: NameServer, late: Duration) {
        *locked(&self.names) = Names {
            server: Some(server),
            silent_until: Some(Instant::now() + late),
            asked: Vec::new(),
        };
    }

    /// The names of that server that the guest has asked for, the first query first.
    pub fn names_asked(&self) -> Vec<String> {
        locked(&self.names).asked.clone()
    }
}

#[cfg(test)]
pub(super) mod tests;
