//! Which ports of the guest are open: bursts of probes, and after each a canary, a probe that is known to get an answer.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::types::{Answer, LanPeer, Mac, PortState, Scanned, Transport};
use super::{LanProbe, packets};
use crate::process::check_interrupt;

/// How long an address may take to resolve before a scan gives up.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(10);

/// How fast a scan sends, and how long it waits.
#[derive(Debug, Clone, Copy)]
pub struct Pacing {
    /// Probes in flight.
    pub burst: usize,
    /// How long the canary's answer may take.
    pub canary: Duration,
    /// The pause after a burst without a canary.
    pub pause: Duration,
    /// How often a silent port is probed where no canary proves that the probes arrived.
    pub rounds: usize,
    /// How long a round waits for its last answers.
    pub last_answer: Duration,
    /// How long one ARP or NDP request waits for its answer.
    pub resolve: Duration,
}

/// The guest's card has room for a burst: virtio-net's ring has 256 entries.
pub const PACING: Pacing = Pacing {
    burst: 200,
    canary: Duration::from_secs(2),
    pause: Duration::from_millis(10),
    rounds: 3,
    last_answer: Duration::from_millis(700),
    resolve: Duration::from_millis(300),
};

impl LanProbe {
    /// Probes each of `ports` at `target`.
    ///
    /// Frames reach the guest in order. So after every burst goes a canary: a SYN to the TCP port `open`, which is known
    /// to answer. Once it has, the guest has handled the whole burst, and a port without an answer is filtered. Without a
    /// canary, a burst may have been dropped: then silent ports are probed again.
    ///
    /// # Errors
    /// The target does not resolve, the machine has ended, or Ctrl-C.
    pub fn scan(
        &mut self,
        target: IpAddr,
        transport: Transport,
        ports: &[u16],
        open: u16,
    ) -> Result<Scanned> {
        let mac = self.resolve(target, RESOLVE_DEADLINE)?;
        let mut sent = 0;
        let mut scan = Scan::new(self.peer(), mac, target, transport);
        let mut canary = true;
        for _ in 0..self.pacing.rounds {
            for burst in scan.silent(ports).chunks(self.pacing.burst) {
                check_interrupt()?;
                for &port in burst {
                    self.send(&scan.probe(port))?;
                }
                sent += burst.len();
                if canary {
                    canary = self.wait_for_canary(&mut scan, open)?;
                } else {
                    self.collect(&mut scan, self.pacing.pause, None)?;
                }
            }
            self.collect(&mut scan, self.pacing.last_answer, None)?;
            if canary {
                break;
            }
        }
        Ok(Scanned {
            ports: ports.iter().map(|&port| (port, scan.state(port))).collect(),
            sent,
        })
    }

    /// The state of one TCP port of a target that need not be on the segment: the machine whose card is `mac` is used as
    /// the router to it. Probes the port again only while it is silent.
    pub fn ask_via(&mut self, mac: Mac, target: IpAddr, port: u16) -> Result<PortState> {
        let mut scan = Scan::new(self.peer(), mac, target, Transport::Tcp);
        for _ in 0..self.pacing.rounds {
            check_interrupt()?;
            self.send(&scan.probe(port))?;
            self.collect(&mut scan, self.pacing.last_answer, Some(port))?;
            if scan.answered(port) {
                break;
            }
        }
        Ok(scan.state(port))
    }

    /// Sends a canary to `open` and notes answers until its own. False when it gets none in time.
    fn wait_for_canary(&mut self, scan: &mut Scan, open: u16) -> Result<bool> {
        self.send(&packets::canary(scan.peer, scan.mac, scan.target, open))?;
        let until = Instant::now() + self.pacing.canary;
        while let Some(frame) = self.receive(until)? {
            if packets::answers_canary(scan.peer, scan.target, open, &frame) {
                self.send(&packets::reset(scan.peer, scan.mac, scan.target, &frame))?;
                return Ok(true);
            }
            self.note(scan, &frame)?;
        }
        Ok(false)
    }

    /// Notes answers for `time`, or until `port` has one.
    fn collect(&mut self, scan: &mut Scan, time: Duration, port: Option<u16>) -> Result<()> {
        let until = Instant::now() + time;
        while let Some(frame) = self.receive(until)? {
            self.note(scan, &frame)?;
            if port.is_some_and(|port| scan.answered(port)) {
                break;
            }
        }
        Ok(())
    }

    fn note(&mut self, scan: &mut Scan, frame: &[u8]) -> Result<()> {
        let found = packets::answer(scan.peer, scan.target, scan.transport, frame);
        let Some(Answer { port, state }) = found else {
            return Ok(());
        };
        scan.states[usize::from(port)] = Some(state);
        if scan.transport == Transport::Tcp && state == PortState::Open {
            // Without a reset the guest would repeat its SYN-ACK for a minute.
            self.send(&packets::reset(scan.peer, scan.mac, scan.target, frame))?;
        }
        Ok(())
    }
}

/// One scan: what is probed, and the answers so far.
struct Scan {
    peer: LanPeer,
    mac: Mac,
    target: IpAddr,
    transport: Transport,
    /// By port.
    states: Vec<Option<PortState>>,
}

impl Scan {
    fn new(peer: LanPeer, mac: Mac, target: IpAddr, transport: Transport) -> Self {
        Scan {
            peer,
            mac,
            target,
            transport,
            states: vec![None; 1 << 16],
        }
    }

    fn probe(&self, port: u16) -> Vec<u8> {
        packets::probe(self.peer, self.mac, self.target, self.transport, port)
    }

    fn answered(&self, port: u16) -> bool {
        self.states[usize::from(port)].is_some()
    }

    fn silent(&self, ports: &[u16]) -> Vec<u16> {
        let silent = ports.iter().copied().filter(|&port| !self.answered(port));
        silent.collect()
    }

    fn state(&self, port: u16) -> PortState {
        self.states[usize::from(port)].unwrap_or(PortState::Filtered)
    }
}
