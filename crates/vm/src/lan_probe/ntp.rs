//! A time server on the LAN segment (NTP version 4, RFC 5905).

use std::time::{Duration, SystemTime};

use super::types::LanPeer;
use super::udp::{self, Datagram};

pub const PORT: u16 = 123;
/// Seconds from 1900, where NTP's time begins, to 1970, where Unix time does.
const UNIX_EPOCH: u64 = 2_208_988_800;
/// The length of a packet without extensions, in bytes.
const LENGTH: usize = 48;
pub const CLIENT: u8 = 3;
const SERVER: u8 = 4;

/// The reply to `frame` with the time `now`; `None` if `frame` is not a client's request to an address of `us`.
pub fn answer(us: LanPeer, frame: &[u8], now: SystemTime) -> Option<Vec<u8>> {
    let Datagram { from, to, payload } = Datagram::read(frame)?;
    let request = payload.get(..LENGTH)?;
    let for_us = (to.0 == us.v4 || to.0 == us.v6) && to.1 == PORT;
    if !for_us || request[0] & 7 != CLIENT {
        return None;
    }
    let time = timestamp(now);
    let mut reply = [0; LENGTH];
    // The client's version; stratum 1; its poll interval; a precision of a microsecond; the name of the reference clock.
    reply[0] = request[0] & 0b0011_1000 | SERVER;
    reply[1] = 1;
    reply[2] = request[2];
    reply[3] = (-20_i8).to_be_bytes()[0];
    reply[12..16].copy_from_slice(b"HOST");
    // When the reference was set; the client's own transmit time; when the request came, and when this answer went.
    reply[16..24].copy_from_slice(&time);
    reply[24..32].copy_from_slice(&request[40..48]);
    reply[32..40].copy_from_slice(&time);
    reply[40..48].copy_from_slice(&time);
    let mac = frame.get(6..12)?.try_into().ok()?;
    Some(udp::frame(us, PORT, mac, from, &reply))
}

/// Seconds since 1900 modulo 2^32 (4 bytes), and their fraction (4 bytes).
fn timestamp(time: SystemTime) -> [u8; 8] {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let seconds = (since.as_secs() + UNIX_EPOCH) & u64::from(u32::MAX);
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (seconds << 32 | fraction).to_be_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::lan_probe::packets::tests::{GUEST, both, ours};
    use crate::lan_probe::types::LAN_PEER;

    /// 2036-02-07 06:28:16.25 UTC, in the first second of NTP's era 1.
    const NOW: Duration = Duration::from_millis(2_085_978_496_250);

    /// What a client at the guest sends to `to`.
    pub fn request(to: IpAddr, port: u16, mode: u8) -> Vec<u8> {
        let mut payload = [0; LENGTH];
        payload[0] = 4 << 3 | mode;
        payload[40..48].copy_from_slice(b"mytimeis");
        udp::frame(GUEST, 40_000, LAN_PEER.mac, (to, port), &payload)
    }

    #[test]
    fn a_client_gets_the_time_and_its_own_time_back() {
        for guest in both() {
            let now = SystemTime::UNIX_EPOCH + NOW;
            let reply = answer(LAN_PEER, &request(ours(guest), PORT, CLIENT), now).unwrap();
            assert_eq!(reply[..6], GUEST.mac);
            let Datagram { from, to, payload } = Datagram::read(&reply).unwrap();
            assert_eq!((from, to), ((ours(guest), PORT), (guest, 40_000)));
            let reply = payload;
            assert_eq!(reply[..2], [4 << 3 | SERVER, 1]);
            assert_eq!(&reply[24..32], b"mytimeis");
            assert_eq!(reply[40..48], [0, 0, 0, 0, 0x40, 0, 0, 0]);
        }
    }

    #[test]
    fn other_packets_get_no_answer() {
        let to = LAN_PEER.v4.into();
        let others = [
            request(to, PORT + 1, CLIENT),
            request(to, PORT, SERVER),
            request(GUEST.v4.into(), PORT, CLIENT),
            request(to, PORT, CLIENT)[..60].to_vec(),
        ];
        for frame in others {
            assert_eq!(answer(LAN_PEER, &frame, SystemTime::UNIX_EPOCH), None);
        }
    }
}
