//! A second host on the guest's LAN segment, which probes the guest's ports.
//!
//! Every frame between the guest and the user-mode network passes through the harness. So it can probe every port over
//! IPv4 and IPv6, as another machine on the LAN would, without any privilege on this host.
//!
//! [`LanProbe`] is that host; a [`LanPeer`] is the set of addresses that it goes by. A probe, in small letters, is one packet
//! that it sends to a port. A canary is a probe of a port that is known to answer: see [`LanProbe::scan`].

mod arp_ndp;
pub mod dns;
#[cfg(test)]
mod fake_guest;
mod ntp;
mod overheard;
mod packets;
mod relay;
mod scan;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_peer;
mod types;
mod udp;

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
use scan::{PACING, Pacing};
pub use types::{Answer, LAN_PEER, LanPeer, Mac, PortState, Scanned, Transport};

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
    /// Starts to relay between the guest's card and the user-mode network. The relays end when the channels close.
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

    /// What the guest has sent to the network, with the number of packets of each kind, and for how long it has been listened
    /// to: since it was switched on or resumed.
    pub fn overheard(&self) -> (Vec<(Sent, usize)>, Duration) {
        let overheard = locked(&self.overheard);
        (overheard.sent(), overheard.time())
    }

    /// How many DHCP answers were dropped.
    pub fn withheld(&self) -> usize {
        locked(&self.dhcp).withheld
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
}
