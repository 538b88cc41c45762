//! A guest for tests: a network stack of a hundred lines at the other end of a socket pair.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::packets::tests::GUEST;
use super::packets::{self, frame_bytes};
use super::relay::{locked, read_frame, write_frame};
use super::types::{LAN_PEER, Mac, PortState, Transport};
use super::{LanProbe, Pacing, arp_ndp};

/// How the guest behaves. Ports that are not listed are filtered.
#[derive(Default, Clone)]
pub struct Behavior {
    pub ports: BTreeMap<(Transport, u16), PortState>,
    /// It answers [canaries](LanProbe::scan).
    pub canary: bool,
    /// Its answers go to this card, its router, as they would to a host of another network.
    pub router: Option<Mac>,
    /// It does not answer anything, ARP and NDP included.
    pub dead: bool,
    /// It loses this many of the first probes and canaries.
    pub loses_first: usize,
    /// It loses this many of the first probes of each port.
    pub loses_of_each: usize,
}

/// What the guest has received.
#[derive(Default)]
pub struct Seen {
    /// How often each port was probed.
    pub probes: BTreeMap<u16, usize>,
    pub canaries: usize,
    /// Where probes and canaries came from.
    pub sources: BTreeSet<IpAddr>,
    /// The most probes between two canaries.
    pub burst: usize,
    since_canary: usize,
    /// Connections that were reset, by port.
    pub resets: Vec<u16>,
    /// The probe has answered an ARP or NDP request for its own address.
    pub peer_resolved: bool,
}

/// A LAN segment with a probe, a fake guest and the end of the user-mode network.
pub struct Segment {
    pub probe: LanProbe,
    /// The guest's end, for frames that the test sends.
    pub guest: UnixStream,
    pub network: UnixStream,
    pub seen: Arc<Mutex<Seen>>,
}

impl Segment {
    /// Starts a guest that behaves as `behavior`.
    pub fn new(behavior: Behavior, pacing: Pacing) -> Self {
        let segment = Self::without_guest(pacing);
        let (stream, seen) = (segment.guest.try_clone().unwrap(), segment.seen.clone());
        thread::spawn(move || run(stream, &behavior, &seen));
        segment
    }

    /// The test itself reads and writes the guest's frames.
    pub fn without_guest(pacing: Pacing) -> Self {
        let (guest, guest_end) = UnixStream::pair().unwrap();
        let (network, network_end) = UnixStream::pair().unwrap();
        Segment {
            probe: LanProbe::paced(guest_end, network_end, pacing).unwrap(),
            guest,
            network,
            seen: Arc::default(),
        }
    }
}

fn run(mut stream: UnixStream, behavior: &Behavior, seen: &Mutex<Seen>) {
    while let Ok(frame) = read_frame(&mut stream) {
        if behavior.dead {
            continue;
        }
        for reply in replies(behavior, &mut locked(seen), &frame) {
            if write_frame(&mut stream, &reply).is_err() {
                return;
            }
        }
    }
}

fn replies(behavior: &Behavior, seen: &mut Seen, frame: &[u8]) -> Vec<Vec<u8>> {
    if let Some(reply) = arp_ndp::reply_to_request(GUEST, frame) {
        return vec![reply];
    }
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let source: IpAddr = match packet.net {
        Some(NetSlice::Ipv4(v4)) => v4.header().source_addr().into(),
        Some(NetSlice::Ipv6(v6)) => v6.header().source_addr().into(),
        _ => LAN_PEER.v4.into(),
    };
    if arp_ndp::resolved(frame, source).is_some() {
        seen.peer_resolved = true;
        return Vec::new();
    }
    let (transport, from, port) = match packet.transport {
        Some(TransportSlice::Tcp(tcp)) if tcp.rst() => {
            seen.resets.push(tcp.destination_port());
            return Vec::new();
        }
        Some(TransportSlice::Tcp(tcp)) => {
            (Transport::Tcp, tcp.source_port(), tcp.destination_port())
        }
        Some(TransportSlice::Udp(udp)) => {
            (Transport::Udp, udp.source_port(), udp.destination_port())
        }
        _ => return Vec::new(),
    };
    seen.sources.insert(source);
    let canary = from == packets::CANARY_PORT;
    let mut lost = seen.canaries + seen.probes.values().sum::<usize>() < behavior.loses_first;
    let state = if canary {
        seen.canaries += 1;
        seen.since_canary = 0;
        behavior.canary.then_some(PortState::Open)
    } else {
        let count = seen.probes.entry(port).or_default();
        *count += 1;
        lost |= *count <= behavior.loses_of_each;
        seen.since_canary += 1;
        seen.burst = seen.burst.max(seen.since_canary);
        behavior.ports.get(&(transport, port)).copied()
    };
    match state {
        Some(state) if !lost => {
            let mac = behavior.router.unwrap_or(LAN_PEER.mac);
            let answer = answer((mac, source), transport, state, (port, from), frame);
            match behavior.router {
                Some(_) => vec![answer],
                None => vec![arp_ndp::who_has(GUEST, source), answer],
            }
        }
        _ => Vec::new(),
    }
}

/// The answer of `port` to the frame `probe`, which came from the port `prober`.
fn answer(
    (mac, to): (Mac, IpAddr),
    transport: Transport,
    state: PortState,
    (port, prober): (u16, u16),
    probe: &[u8],
) -> Vec<u8> {
    let ip = || packets::ip(GUEST, mac, to);
    let tcp = || ip().tcp(port, prober, 7, 100);
    frame_bytes(|out| {
        let done = match (transport, state, to) {
            (_, PortState::Filtered, _) => unreachable!("a filtered port does not answer"),
            (Transport::Tcp, PortState::Open, _) => tcp().syn().ack(1).write(out, &[]),
            (Transport::Tcp, PortState::Closed, _) => tcp().rst().ack(1).write(out, &[]),
            (Transport::Udp, PortState::Open, _) => ip().udp(port, prober).write(out, b"x"),
            (Transport::Udp, PortState::Closed, IpAddr::V4(_)) => {
                ip().icmpv4_raw(3, 3, [0; 4]).write(out, &probe[14..])
            }
            (Transport::Udp, PortState::Closed, IpAddr::V6(_)) => {
                ip().icmpv6_raw(1, 4, [0; 4]).write(out, &probe[14..])
            }
        };
        done.unwrap();
    })
}
