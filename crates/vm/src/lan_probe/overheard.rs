//! What the guest sends to the user-mode network, from the first frame on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use etherparse::{SlicedPacket, TransportSlice};

use super::packets::addresses;
use super::types::Transport;

/// More kinds of packets than that are not told apart.
const MOST: usize = 10_000;
const DNS: u16 = 53;

/// Packets to one destination.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    pub to: IpAddr,
    /// `None`: neither TCP nor UDP, such as ICMP.
    pub transport: Option<Transport>,
    /// Source and destination port; 0 where there is none.
    pub ports: (u16, u16),
    /// The name that a DNS query over UDP asks for.
    pub asks_for: Option<String>,
}

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
    /// Notes a frame. What is not IP, such as ARP, stays on the cable and is not noted.
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

fn sent(frame: &[u8]) -> Option<Sent> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
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
    let query = transport == Some(Transport::Udp) && ports.1 == DNS;
    Some(Sent {
        to,
        transport,
        // A client takes another port for each query.
        ports: if query { (0, DNS) } else { ports },
        asks_for: query.then(|| name(payload).unwrap_or_default()),
    })
}

/// The name in the question of a DNS query (RFC 1035, 4.1): labels behind the header of 12 bytes.
fn name(query: &[u8]) -> Option<String> {
    let mut rest = query.get(12..)?;
    let mut labels = Vec::new();
    loop {
        let (&length, behind) = rest.split_first()?;
        if length == 0 {
            return Some(labels.join("."));
        }
        let label = behind.get(..usize::from(length))?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        rest = &behind[usize::from(length)..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lan_probe::packets::tests::GUEST;
    use crate::lan_probe::packets::{frame_bytes, ip, probe};
    use crate::lan_probe::types::LAN_PEER;

    const QUERY: &[u8] = b"\x01\x02\x01\0\0\x01\0\0\0\0\0\0\x06ollama\x03com\0\0\x01\0\x01";

    fn query(payload: &[u8]) -> Vec<u8> {
        frame_bytes(|frame| {
            ip(GUEST, LAN_PEER.mac, LAN_PEER.v4.into())
                .udp(40_000, DNS)
                .write(frame, payload)
                .unwrap();
        })
    }

    #[test]
    fn packets_are_counted_by_destination_and_queries_by_name() {
        let mut overheard = Overheard::default();
        overheard.note(&query(QUERY));
        overheard.note(&query(QUERY));
        let to = LAN_PEER.v6.into();
        overheard.note(&probe(GUEST, LAN_PEER.mac, to, Transport::Tcp, 443));
        overheard.note(b"not IP");
        let sent = overheard.sent();
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].0.asks_for.as_deref(), Some("ollama.com"));
        assert_eq!((sent[0].0.ports, sent[0].1), ((0, 53), 2));
        assert_eq!((sent[1].0.to, sent[1].0.ports.1, sent[1].1), (to, 443, 1));
    }

    #[test]
    fn a_query_that_is_cut_off_has_no_name() {
        for length in 0..QUERY.len() - 4 {
            assert_eq!(name(&QUERY[..length]), None, "{length}");
        }
        assert_eq!(
            name(&QUERY[..QUERY.len() - 4]).as_deref(),
            Some("ollama.com")
        );
    }
}
