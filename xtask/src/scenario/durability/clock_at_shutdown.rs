//! The clock: the network sets the time, and the machine shuts down.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use chrono::NaiveDateTime;
use vm::Reboot;
use vm::lan_probe::LAN_PEER;
use vm::process::check_interrupt;

use crate::scenario::system::clock::{clock, differs, seconds, unix, zone_of};
use crate::scenario::{Context, Finding};

/// How far the time server is ahead of this host: no zone differs from another by that much.
const AHEAD: Duration = Duration::from_secs(1200);
/// systemd-timesyncd asks when it starts. Under emulation that takes some seconds.
const REQUEST: Duration = Duration::from_secs(60);

/// Times are in seconds since 1970, and those of the hardware clock as if it kept UTC.
#[derive(Debug, Clone)]
pub struct ClockAtShutdown {
    /// The time server's.
    pub network: i64,
    /// The system's, once the network had set it.
    pub system: i64,
    /// This host's at the end of the shutdown, and the hardware clock's.
    pub host: i64,
    pub hardware: i64,
    /// The zone's distance from UTC, in seconds.
    pub zone: i64,
}

/// The clock before the shutdown.
pub struct Set {
    network: i64,
    system: i64,
    zone: i64,
}

/// Has the machine ask the LAN peer for the time.
pub fn set(cx: &mut Context) -> Result<Set> {
    cx.machine.succeed(&format!(
        "mkdir -p /run/systemd/timesyncd.conf.d && \
         printf '[Time]\\nNTP={}\\n' > /run/systemd/timesyncd.conf.d/lan-peer.conf && \
         rm -f /run/systemd/timesync/synchronized && systemctl restart --no-block systemd-timesyncd",
        LAN_PEER.v4
    ))?;
    // A machine that does not ask keeps its own time, and is judged by it.
    let _ = cx.machine.lan_probe()?.serve_time(AHEAD, REQUEST);
    check_interrupt()?;
    let wait = "for i in $(seq 50); do [ -e /run/systemd/timesync/synchronized ] && break; sleep 0.2; done";
    let [_, system, zone] = cx.exec([wait, "date +%s", "date +%z"])?;
    Ok(Set {
        network: unix(SystemTime::now() + AHEAD)?,
        system: seconds(&system.text)?,
        zone: zone_of(&zone.text)?,
    })
}

impl Set {
    pub fn at_shutdown(self, reboot: &Reboot) -> Result<ClockAtShutdown> {
        let hardware: NaiveDateTime = reboot
            .hardware_clock
            .parse()
            .with_context(|| format!("not a time: {}", reboot.hardware_clock))?;
        let Set {
            network,
            system,
            zone,
        } = self;
        Ok(ClockAtShutdown {
            network,
            system,
            host: unix(reboot.shut_down)?,
            hardware: hardware.and_utc().timestamp(),
            zone,
        })
    }
}

pub fn judge(facts: &ClockAtShutdown) -> Finding {
    let mut faults = Vec::new();
    if differs(facts.system, facts.network) {
        faults.push(format!(
            "the system's clock shows {} UTC, the network's {}",
            clock(facts.system),
            clock(facts.network)
        ));
    }
    // systemd lets the kernel set a hardware clock only where it keeps UTC.
    let local = facts.host + facts.zone;
    if differs(facts.hardware, local) {
        faults.push(format!(
            "after the shutdown the hardware clock shows {}: local time is {}",
            clock(facts.hardware),
            clock(local)
        ));
    }
    let kept = format!(
        "the network set the clock to {} UTC; after the shutdown the hardware clock still keeps local time, {}",
        clock(facts.network),
        clock(facts.hardware)
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    const NOON: i64 = 1_790_000_000 - 1_790_000_000 % 86400 + 43200;

    pub fn good() -> ClockAtShutdown {
        ClockAtShutdown {
            network: NOON + 1200,
            system: NOON + 1199,
            host: NOON + 60,
            hardware: NOON + 3660,
            zone: 3600,
        }
    }

    #[test]
    fn a_shutdown_leaves_local_time() {
        assert_kept(
            judge(&good()),
            "the network set the clock to 12:20 UTC; after the shutdown the hardware clock still keeps local time, 13:01",
        );
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.system -= 1200,
                    "the system's clock shows 11:59 UTC, the network's 12:20",
                ),
                (
                    |facts| facts.hardware -= 3600,
                    "after the shutdown the hardware clock shows 12:01: local time is 13:01",
                ),
            ],
        );
    }
}
