//! The cable between the guest and the user-mode network: every frame passes through here.
//!
//! QEMU's stream netdev sends each frame after its length (4 bytes, big-endian).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::dns::{Names, Outcome};
use super::overheard::Overheard;
use super::types::LanPeer;
use super::udp;

/// The network's DHCP server, which can be kept from answering.
#[derive(Default)]
pub struct Dhcp {
    pub silent_until: Option<Instant>,
    /// How many answers were dropped.
    pub withheld: usize,
}

impl Dhcp {
    /// Whether `frame` is a DHCP answer that must not reach the guest now; counts it.
    fn withholds(&mut self, frame: &[u8]) -> bool {
        let silent = self
            .silent_until
            .is_some_and(|until| Instant::now() < until)
            && udp::is_dhcp_answer(frame);
        self.withheld += usize::from(silent);
        silent
    }
}

/// What happens to the guest's frames on their way.
pub struct OnTheWay {
    /// To the guest.
    pub back: Arc<Mutex<UnixStream>>,
    pub names: Arc<Mutex<Names>>,
    pub overheard: Arc<Mutex<Overheard>>,
}

/// Passes the guest's frames on: to the user-mode network, to the probe, or (broadcast and multicast) to both. Frames for an
/// address of the `peer` go to the probe even if they are addressed to the router: the peer may be a host of another network.
/// Queries that the harness answers in the name server's place go no further. Ends when a stream or the probe's channel closes.
pub fn from_guest(
    mut guest: UnixStream,
    mut uplink: UnixStream,
    probe: &Sender<Vec<u8>>,
    peer: &Mutex<LanPeer>,
    on_the_way: &OnTheWay,
) {
    while let Ok(frame) = read_frame(&mut guest) {
        let peer = *locked(peer);
        let to = &frame[..6.min(frame.len())];
        let to_probe = to == peer.mac || peer.is_addressed_by(&frame);
        let to_all = to.first().is_some_and(|first| first & 1 == 1);
        if !to_probe {
            locked(&on_the_way.overheard).note(&frame);
        }
        let outcome = locked(&on_the_way.names).handle(&frame, Instant::now());
        match outcome {
            Outcome::Passed => {}
            Outcome::Dropped => continue,
            Outcome::Answered(answer) => match write_shared(&on_the_way.back, &answer) {
                Ok(()) => continue,
                Err(_) => break,
            },
        }
        if !to_probe && write_frame(&mut uplink, &frame).is_err() {
            break;
        }
        if (to_probe || to_all) && probe.send(frame).is_err() {
            break;
        }
    }
}

/// Passes the network's frames on to the guest. Ends when a stream closes.
pub fn to_guest(mut uplink: UnixStream, guest: &Mutex<UnixStream>, dhcp: &Mutex<Dhcp>) {
    while let Ok(frame) = read_frame(&mut uplink) {
        if !locked(dhcp).withholds(&frame) && write_shared(guest, &frame).is_err() {
            break;
        }
    }
}

/// Relay and probe share the guest's stream; the lock keeps their frames whole.
pub fn write_shared(stream: &Mutex<UnixStream>, frame: &[u8]) -> io::Result<()> {
    write_frame(&mut locked(stream), frame)
}

/// Locks even after a panic in another thread: no invariant spans the lock.
pub fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn read_frame(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0u8; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0u8; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

pub fn write_frame(stream: &mut UnixStream, frame: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(frame.len() + 4);
    bytes.extend_from_slice(&(frame.len() as u32).to_be_bytes());
    bytes.extend_from_slice(frame);
    stream.write_all(&bytes)
}
