//! The cable between the guest and the user-mode network, and a neighbour who sits on it.
//!
//! Every frame passes through the harness. That makes it a second host on the guest's own segment: it can ask every
//! port over IPv4 and IPv6, as another machine on the LAN would, without any rights on this one.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::arp_ndp;
use crate::packets::{self, Answer};
use crate::process::check_interrupt;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// The neighbour's own addresses: locally administered, and beside the guest's on QEMU's default network.
pub const LAN_PEER: LanPeer = LanPeer {
    mac: [0x02, 0x4f, 0x4c, 0x00, 0x00, 0x63],
    v4: Ipv4Addr::new(10, 0, 2, 99),
    v6: Ipv6Addr::new(0xfe80, 0, 0, 0, 0x004f, 0x4cff, 0xfe00, 0x0063),
};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct LanPeer {
    pub mac: Mac,
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
}

/// What a port does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// SYN is answered with SYN-ACK; a datagram with a datagram.
    Open,
    /// The guest says that nobody is there: RST, or ICMP "port unreachable".
    Closed,
    /// No answer at all.
    Filtered,
}

/// The transport that a port belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}

/// Questions in flight: as many as the guest's card has room for (virtio-net's ring has 256 entries).
const BURST: usize = 200;
/// How long the port that vouches for a burst may take.
const PACE: Duration = Duration::from_secs(2);
/// The pause after a burst that nobody vouches for.
const BREATH: Duration = Duration::from_millis(10);
/// How often a port is asked whose question may have been dropped.
const ROUNDS: usize = 3;
/// How long a round waits for its last answers.
const LAST_ANSWER: Duration = Duration::from_millis(700);

/// The neighbour's plug in the cable.
pub struct LanProbe {
    guest: Arc<Mutex<UnixStream>>,
    frames: Receiver<Vec<u8>>,
    dhcp: Arc<Mutex<Dhcp>>,
}

/// A DHCP server that is not up yet.
#[derive(Default)]
struct Dhcp {
    silent_until: Option<Instant>,
    /// Answers that were not given.
    withheld: usize,
}

impl Dhcp {
    /// Whether `frame` is an answer that the guest is not to get now.
    fn withholds(&mut self, frame: &[u8]) -> bool {
        let silent = self
            .silent_until
            .is_some_and(|until| Instant::now() < until)
            && packets::is_dhcp_answer(frame);
        self.withheld += usize::from(silent);
        silent
    }
}

impl LanProbe {
    /// Starts to relay between the guest's card and the user-mode network. The relays end with the channels.
    pub fn connect(guest: UnixStream, uplink: UnixStream) -> Result<Self> {
        let (sender, frames) = channel();
        let (guest_in, uplink_out) = (guest.try_clone()?, uplink.try_clone()?);
        let guest = Arc::new(Mutex::new(guest));
        let guest_out = Arc::clone(&guest);
        thread::spawn(move || relay_from_guest(guest_in, uplink_out, &sender));
        let dhcp = Arc::new(Mutex::new(Dhcp::default()));
        let server = Arc::clone(&dhcp);
        thread::spawn(move || relay_to_guest(uplink, &guest_out, &server));
        Ok(LanProbe {
            guest,
            frames,
            dhcp,
        })
    }

    /// From now on the network gives no address for as long as `time`.
    pub fn silence_dhcp(&mut self, time: Duration) {
        locked(&self.dhcp).silent_until = Some(Instant::now() + time);
    }

    /// How many answers of the network's DHCP server the guest did not get.
    pub fn withheld(&self) -> usize {
        locked(&self.dhcp).withheld
    }

    fn send(&mut self, frame: &[u8]) -> Result<()> {
        write_shared(&self.guest, frame).context("the guest's wire is cut")
    }

    /// The guest's Ethernet address, asked by ARP or by neighbour solicitation.
    ///
    /// # Errors
    /// No answer within `deadline`.
    pub fn resolve(&mut self, target: IpAddr, deadline: Duration) -> Result<Mac> {
        let end = Instant::now() + deadline;
        while Instant::now() < end {
            check_interrupt()?;
            self.send(&arp_ndp::who_has(LAN_PEER, target))?;
            let turn = Instant::now() + Duration::from_millis(300);
            while let Some(frame) = self.receive(turn)? {
                if let Some(mac) = arp_ndp::resolved(&frame, target) {
                    return Ok(mac);
                }
            }
        }
        bail!("{target} does not answer on the wire")
    }

    /// The next frame for the neighbour, or nothing by `until`. Questions for the neighbour's own address are answered
    /// on the way.
    fn receive(&mut self, until: Instant) -> Result<Option<Vec<u8>>> {
        loop {
            match self
                .frames
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(frame) => match arp_ndp::reply_to_question(LAN_PEER, &frame) {
                    Some(reply) => self.send(&reply)?,
                    None => return Ok(Some(frame)),
                },
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => bail!("the guest's wire is cut"),
            }
        }
    }

    /// Asks each of `ports` at `target` and tells its state, in the order of `ports`.
    ///
    /// Frames reach the guest in order. So after every burst the TCP port `open`, which is known to answer, is asked as
    /// well: when its answer is here, the burst has been dealt with, and whoever has not answered did not want to.
    ///
    /// # Errors
    /// The target does not resolve, or the machine ends.
    pub fn scan(
        &mut self,
        target: IpAddr,
        transport: Transport,
        ports: &[u16],
        open: u16,
    ) -> Result<Vec<(u16, State)>> {
        let mac = self.resolve(target, Duration::from_secs(10))?;
        let mut states = States::new();
        let mut paced = true;
        for _ in 0..ROUNDS {
            for burst in states.silent(ports).chunks(BURST) {
                check_interrupt()?;
                for &port in burst {
                    self.send(&packets::question(LAN_PEER, mac, target, transport, port))?;
                }
                if paced {
                    paced = self.pace(mac, target, transport, &mut states, open)?;
                } else {
                    self.collect(
                        mac,
                        target,
                        transport,
                        &mut states,
                        Instant::now() + BREATH,
                        None,
                    )?;
                }
            }
            self.collect(
                mac,
                target,
                transport,
                &mut states,
                Instant::now() + LAST_ANSWER,
                None,
            )?;
            // A burst that nobody vouches for may have been dropped: then silence is asked again.
            if paced {
                break;
            }
        }
        Ok(ports.iter().map(|&port| (port, states.of(port))).collect())
    }

    /// The state of one TCP port of a target that need not be on the segment: the machine with the card `mac` is taken
    /// for the router to it.
    pub fn ask_via(&mut self, mac: Mac, target: IpAddr, port: u16) -> Result<State> {
        let mut states = States::new();
        for _ in 0..ROUNDS {
            self.send(&packets::question(
                LAN_PEER,
                mac,
                target,
                Transport::Tcp,
                port,
            ))?;
            self.collect(
                mac,
                target,
                Transport::Tcp,
                &mut states,
                Instant::now() + LAST_ANSWER,
                Some(port),
            )?;
        }
        Ok(states.of(port))
    }

    /// Waits until `open` answers. False when it does not.
    fn pace(
        &mut self,
        mac: Mac,
        target: IpAddr,
        transport: Transport,
        states: &mut States,
        open: u16,
    ) -> Result<bool> {
        self.send(&packets::canary(LAN_PEER, mac, target, open))?;
        let until = Instant::now() + PACE;
        while let Some(frame) = self.receive(until)? {
            if packets::answers_canary(LAN_PEER, target, open, &frame) {
                self.send(&packets::reset(LAN_PEER, mac, target, &frame))?;
                return Ok(true);
            }
            self.note(mac, target, transport, states, &frame)?;
        }
        Ok(false)
    }

    /// Notes answers until `until`, or until `port` has one.
    fn collect(
        &mut self,
        mac: Mac,
        target: IpAddr,
        transport: Transport,
        states: &mut States,
        until: Instant,
        port: Option<u16>,
    ) -> Result<()> {
        while let Some(frame) = self.receive(until)? {
            self.note(mac, target, transport, states, &frame)?;
            if port.is_some_and(|port| states.answered(port)) {
                break;
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        mac: Mac,
        target: IpAddr,
        transport: Transport,
        states: &mut States,
        frame: &[u8],
    ) -> Result<()> {
        let Some(Answer { port, state }) = packets::answer(LAN_PEER, target, transport, frame)
        else {
            return Ok(());
        };
        states.0[usize::from(port)] = Some(state);
        if transport == Transport::Tcp && state == State::Open {
            // Without a reset the guest would repeat its SYN-ACK for a minute.
            self.send(&packets::reset(LAN_PEER, mac, target, frame))?;
        }
        Ok(())
    }
}

/// What each of the 65,536 ports has said so far.
struct States(Vec<Option<State>>);

impl States {
    fn new() -> Self {
        States(vec![None; 1 << 16])
    }

    fn answered(&self, port: u16) -> bool {
        self.0[usize::from(port)].is_some()
    }

    fn silent(&self, ports: &[u16]) -> Vec<u16> {
        ports
            .iter()
            .copied()
            .filter(|&port| !self.answered(port))
            .collect()
    }

    fn of(&self, port: u16) -> State {
        self.0[usize::from(port)].unwrap_or(State::Filtered)
    }
}

fn relay_from_guest(mut guest: UnixStream, mut uplink: UnixStream, neighbour: &Sender<Vec<u8>>) {
    while let Ok(frame) = read_frame(&mut guest) {
        let to = &frame[..6.min(frame.len())];
        let for_neighbour = to == LAN_PEER.mac;
        let for_all = to.first().is_some_and(|first| first & 1 == 1);
        if !for_neighbour && write_frame(&mut uplink, &frame).is_err() {
            break;
        }
        if (for_neighbour || for_all) && neighbour.send(frame).is_err() {
            break;
        }
    }
}

fn relay_to_guest(mut uplink: UnixStream, guest: &Mutex<UnixStream>, dhcp: &Mutex<Dhcp>) {
    while let Ok(frame) = read_frame(&mut uplink) {
        if !locked(dhcp).withholds(&frame) && write_shared(guest, &frame).is_err() {
            break;
        }
    }
}

fn read_frame(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0u8; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0u8; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

/// The relay and the neighbour share the guest's stream: a frame goes out whole or not at all.
fn write_shared(stream: &Mutex<UnixStream>, frame: &[u8]) -> std::io::Result<()> {
    write_frame(&mut locked(stream), frame)
}

/// What a thread that panicked has left is as good as before.
fn locked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write_frame(stream: &mut UnixStream, frame: &[u8]) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(frame.len() + 4);
    bytes.extend_from_slice(&(frame.len() as u32).to_be_bytes());
    bytes.extend_from_slice(frame);
    stream.write_all(&bytes)
}
