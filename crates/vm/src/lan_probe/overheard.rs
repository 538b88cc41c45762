//! What the guest sends to the user-mode network, from the first frame on.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use etherparse::{SlicedPacket, TransportSlice};

use super::dns;
use super::packets::addresses;
use super::types::Transport;

/// At most this many kinds of packets are noted, which bounds the memory.
const MOST: usize = 10_000;

/// Packets to one destination.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// `0.0.0.0`: the frame cannot be read.
    pub to: IpAddr,
    /// `None`: neither TCP nor UDP, such as ICMP.
    pub transport: Option<Transport>,
    /// Source and destination port; 0 where there is none.
    pub ports: (u16, u16),
    /// The name that a DNS query over UDP asks for, in small letters; empty if the query cannot be read.
    pub asks_for: Option<String>,
}

/// A frame that cannot be read: it may be anything.
const UNREADABLE: Sent = Sent {
    to: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    transport: None,
    ports: (0, 0),
    asks_for: None,
};

/// Everything sent so far.
#[derive(Debug)]
pub struct Overheard {
    since: Instant,
    /// How many packets of each kind.
    sent: BTreeMap<Sent, usize>,
}

impl Default for Overheard {
    fn default() -> Self {
        Overheard {
            since: Instant::now(),
            sent: BTreeMap::new(),
        }
    }
}

impl Overheard {
    /// Notes a frame. One that is not IP, such as ARP, does not leave the segment and is not noted.
    pub fn note(&mut self, frame: &[u8]) {
        let Some(sent) = sent(frame) else { return };
        if self.sent.len() < MOST || self.sent.contains_key(&sent) {
            *self.sent.entry(sent).or_default() += 1;
        }
    }

    /// How long it has been listening.
    pub fn time(&self) -> Duration {
        self.since.elapsed()
    }

    /// What was sent, and how many packets of each kind.
    pub fn sent(&self) -> Vec<(Sent, usize)> {
        let pairs = self.sent.iter();
        pairs.map(|(sent, count)| (sent.clone(), *count)).collect()
    }
}

/// What is noted of `frame`; `None` if it is not IP.
fn sent(frame: &[u8]) -> Option<Sent> {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else {
        return Some(UNREADABLE);
    };
    let (_, to) = addresses(&packet)?;
    let (transport, ports, payload) = match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => (
            Some(Transport::Tcp),
            (tcp.source_port(), tcp.destination_port()),
            &[][..],
        ),
        Some(TransportSlice::Udp(udp)) => (
            Some(Transport::Udp),
            (udp.source_port(), udp.destination_port()),
            udp.payload(),
        ),
        _ => (None, (0, 0), &[][..]),
    };
    let query = transport == Some(Transport::Udp) && ports.1 == dns::PORT;
    Some(Sent {
        to,
        transport,
        // A client takes another port for each query.
        ports: if query { (0, dns::PORT) } else { ports },
        asks_for: query.then(|| dns::asked_for(payload).unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lan_probe::packets::probe;
    use crate::lan_probe::packets::tests::GUEST;
    use crate::lan_probe::types::LAN_PEER;
    use crate::lan_probe::{arp_ndp, udp};

    fn query(payload: &[u8]) -> Vec<u8> {
        let to = (LAN_PEER.v4.into(), dns::PORT);
        udp::frame(GUEST, 40_000, LAN_PEER.mac, to, payload)
    }

    #[test]
    fn packets_are_counted_by_destination_and_queries_by_name() {
        let mut overheard = Overheard::default();
        overheard.note(&query(&dns::query("ollama.com")));
        overheard.note(&query(&dns::query("Ollama.COM")));
        let to = LAN_PEER.v6.into();
        overheard.note(&probe(GUEST, LAN_PEER.mac, to, Transport::Tcp, 443));
        overheard.note(&arp_ndp::who_has(GUEST, LAN_PEER.v4.into()));
        let sent = overheard.sent();
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].0.asks_for.as_deref(), Some("ollama.com"));
        assert_eq!((sent[0].0.ports, sent[0].1), ((0, 53), 2));
        assert_eq!((sent[1].0.to, sent[1].0.ports.1, sent[1].1), (to, 443, 1));
    }

    #[test]
    fn a_query_that_cannot_be_read_is_noted_without_a_name() {
        let whole = dns::query("ollama.com");
        for length in 0..whole.len() {
            let noted = sent(&query(&whole[..length])).unwrap();
            assert_eq!(noted.asks_for.as_deref(), Some(""), "{length}");
            assert_eq!(noted.ports.1, dns::PORT);
        }
    }

    #[test]
    fn a_frame_that_cannot_be_read_is_noted() {
        let whole = query(b"");
        for frame in [&whole[..10], &whole[..30], &whole[..40]] {
            assert_eq!(sent(frame), Some(UNREADABLE), "{} bytes", frame.len());
        }
    }
}
