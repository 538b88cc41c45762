//! A second host on the guest's LAN segment, which probes the guest's ports.
//!
//! Every frame between the guest and the user-mode network passes through the harness. So it can probe every port over
//! IPv4 and IPv6, as another machine on the LAN would, without any privilege on this host.

mod arp_ndp;
pub mod dns;
#[cfg(test)]
mod fake_guest;
mod ntp;
mod overheard;
mod packets;
mod relay;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_peer;
mod types;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};

use self::dns::Names;
use crate::process::check_interrupt;
use overheard::Overheard;
pub use overheard::Sent;
pub use packets::SOURCE_PORT;
use relay::{Dhcp, locked};
pub use types::{Answer, LAN_PEER, LanPeer, Mac, PortState, Scanned, Transport};

/// How long an address may take to resolve before a scan gives up.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(10);

/// How fast a scan sends, and how long it waits.
#[derive(Debug, Clone, Copy)]
struct Pacing {
    /// Probes in flight.
    burst: usize,
    /// How long the canary's answer may take.
    canary: Duration,
    /// The pause after a burst without a canary.
    pause: Duration,
    /// How often a silent port is probed where no canary proves that the probes arrived.
    rounds: usize,
    /// How long a round waits for its last answers.
    last_answer: Duration,
    /// How long one ARP or NDP request waits for its answer.
    resolve: Duration,
}

/// The guest's card has room for a burst: virtio-net's ring has 256 entries.
const PACING: Pacing = Pacing {
    burst: 200,
    canary: Duration::from_secs(2),
    pause: Duration::from_millis(10),
    rounds: 3,
    last_answer: Duration::from_millis(700),
    resolve: Duration::from_millis(300),
};

/// The probe's end of the cable.
pub struct LanProbe {
    guest: Arc<Mutex<UnixStream>>,
    frames: Receiver<Vec<u8>>,
    /// The addresses that it has now.
    peer: Arc<Mutex<LanPeer>>,
    dhcp: Arc<Mutex<Dhcp>>,
    overheard: Arc<Mutex<Overheard>>,
    names: Arc<Mutex<Names>>,
    pacing: Pacing,
}

impl LanProbe {
    /// Starts to relay between the guest's card and the user-mode network. The relays end with the channels.
    pub fn connect(guest: UnixStream, uplink: UnixStream) -> Result<Self> {
        Self::paced(guest, uplink, PACING)
    }

    fn paced(guest: UnixStream, uplink: UnixStream, pacing: Pacing) -> Result<Self> {
        let (sender, frames) = channel();
        let (guest_in, uplink_out) = (guest.try_clone()?, uplink.try_clone()?);
        let guest = Arc::new(Mutex::new(guest));
        let guest_out = Arc::clone(&guest);
        let peer = Arc::new(Mutex::new(LAN_PEER));
        let names = Arc::new(Mutex::new(Names::default()));
        let overheard = Arc::new(Mutex::new(Overheard::default()));
        let on_the_way = relay::OnTheWay {
            back: guest.clone(),
            names: names.clone(),
            overheard: overheard.clone(),
        };
        let addresses = peer.clone();
        thread::spawn(move || {
            relay::from_guest(guest_in, uplink_out, &sender, &addresses, &on_the_way);
        });
        let dhcp = Arc::new(Mutex::new(Dhcp::default()));
        let server = Arc::clone(&dhcp);
        thread::spawn(move || relay::to_guest(uplink, &guest_out, &server));
        Ok(LanProbe {
            guest,
            frames,
            peer,
            dhcp,
            overheard,
            names,
            pacing,
        })
    }

    /// Gives the probe the addresses of `peer` while `act` runs. Answers reach it even where the guest sends them to its
    /// router.
    ///
    /// # Errors
    /// Those of `act`.
    pub fn at<T>(&mut self, peer: LanPeer, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = std::mem::replace(&mut *locked(&self.peer), peer);
        let done = act(self);
        *locked(&self.peer) = before;
        done
    }

    fn peer(&self) -> LanPeer {
        *locked(&self.peer)
    }

    /// For `time` from now on, drops the answers of the network's DHCP server.
    pub fn silence_dhcp(&mut self, time: Duration) {
        locked(&self.dhcp).silent_until = Some(Instant::now() + time);
    }

    /// What the guest has sent to the network since it was switched on or resumed, and how many packets of each kind; and for
    /// how long that is.
    pub fn overheard(&self) -> (Vec<(Sent, usize)>, Duration) {
        let overheard = locked(&self.overheard);
        (overheard.sent(), overheard.time())
    }

    /// How many DHCP answers were dropped.
    pub fn withheld(&self) -> usize {
        locked(&self.dhcp).withheld
    }

    /// The ones of `ports` to which the guest has sent UDP multicasts since the probe last looked at what it receives.
    ///
    /// # Errors
    /// The machine has ended.
    pub fn multicast_to(&mut self, ports: &[u16]) -> Result<BTreeSet<u16>> {
        let mut found = BTreeSet::new();
        let now = Instant::now();
        while let Some(frame) = self.receive(now)? {
            let port = packets::multicast_port(&frame);
            found.extend(port.filter(|port| ports.contains(port)));
        }
        Ok(found)
    }

    /// Resolves the guest's Ethernet address by ARP or neighbor solicitation.
    ///
    /// # Errors
    /// No answer within `deadline`.
    pub fn resolve(&mut self, target: IpAddr, deadline: Duration) -> Result<Mac> {
        let end = Instant::now() + deadline;
        while Instant::now() < end {
            check_interrupt()?;
            self.send(&arp_ndp::who_has(self.peer(), target))?;
            let next = Instant::now() + self.pacing.resolve;
            while let Some(frame) = self.receive(next)? {
                if let Some(mac) = arp_ndp::resolved(&frame, target) {
                    return Ok(mac);
                }
            }
        }
        bail!("{target} does not answer on the LAN segment")
    }

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
    /// the router to it.
    pub fn ask_via(&mut self, mac: Mac, target: IpAddr, port: u16) -> Result<PortState> {
        let mut scan = Scan::new(self.peer(), mac, target, Transport::Tcp);
        for _ in 0..self.pacing.rounds {
            check_interrupt()?;
            self.send(&scan.probe(port))?;
            self.collect(&mut scan, self.pacing.last_answer, Some(port))?;
        }
        Ok(scan.state(port))
    }

    /// Acts as a time server that is `ahead` of this host's clock, until it has answered one request.
    ///
    /// # Errors
    /// No request within `deadline`, the machine has ended, or Ctrl-C.
    pub fn serve_time(&mut self, ahead: Duration, deadline: Duration) -> Result<()> {
        let until = Instant::now() + deadline;
        while let Some(frame) = self.receive(until)? {
            check_interrupt()?;
            if let Some(reply) = ntp::answer(self.peer(), &frame, SystemTime::now() + ahead) {
                return self.send(&reply);
            }
        }
        bail!("no NTP request within {} s", deadline.as_secs())
    }

    fn send(&mut self, frame: &[u8]) -> Result<()> {
        relay::write_shared(&self.guest, frame).context("the guest's network channel is closed")
    }

    /// The next frame for the probe, or nothing by `until`. Requests for the probe's own address are answered on the way.
    fn receive(&mut self, until: Instant) -> Result<Option<Vec<u8>>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.frames.recv_timeout(left) {
                Ok(frame) => match arp_ndp::reply_to_request(self.peer(), &frame) {
                    Some(reply) => self.send(&reply)?,
                    None => return Ok(Some(frame)),
                },
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the guest's network channel is closed")
                }
            }
        }
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
