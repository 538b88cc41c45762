//! `system.leaves-the-clock`

use std::time::SystemTime;

use anyhow::{Context as _, Result};
use chrono::DateTime;

use crate::scenario::{Context, Finding};

/// Zones differ by half an hour or more. A machine that was saved and resumed may be minutes behind.
const TOLERANCE: i64 = 600;

/// What the hardware clock keeps, for every program that sets it: `LOCAL` or `UTC` (hwclock(8); systemd reads it too).
const KEEPS: &str = "sed -n 3p /etc/adjtime";

/// Times are in seconds since 1970, and those of the hardware clock as if it kept UTC.
#[derive(Debug, Clone)]
struct Facts {
    host: i64,
    system: i64,
    /// The zone's distance from UTC at that time, in seconds.
    zone: i64,
    hardware: i64,
    /// The output of [`KEEPS`].
    keeps: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let hardware = "cat /sys/class/rtc/rtc0/since_epoch";
    let outputs = cx.exec([hardware, "date +%s", "date +%z", KEEPS])?;
    let host = unix(SystemTime::now())?;
    let [before, system, zone, keeps] = outputs;
    Ok(Facts {
        host,
        system: seconds(&system.text)?,
        zone: zone_of(&zone.text)?,
        hardware: seconds(&before.text)?,
        keeps: keeps.text.trim().to_string(),
    })
}

/// Seconds since 1970.
pub fn unix(time: SystemTime) -> Result<i64> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_secs())?)
}

/// The number of seconds that a program has printed.
pub fn seconds(text: &str) -> Result<i64> {
    text.trim()
        .parse()
        .with_context(|| format!("not a number of seconds: {text}"))
}

/// The zone's distance from UTC, in seconds, in what `date +%z` has printed.
pub fn zone_of(text: &str) -> Result<i64> {
    offset(text).with_context(|| format!("not a zone: {text}"))
}

/// Seconds of an offset such as `+0530`.
fn offset(text: &str) -> Option<i64> {
    let number: i64 = text.trim().parse().ok()?;
    Some((number / 100 * 60 + number % 100) * 60)
}

/// Whether two times are further apart than by chance.
pub fn differs(one: i64, other: i64) -> bool {
    (one - other).abs() > TOLERANCE
}

fn judge(facts: &Facts) -> Finding {
    let Facts {
        host,
        system,
        zone,
        hardware,
        ref keeps,
    } = *facts;
    let mut faults = Vec::new();
    if differs(hardware, host + zone) {
        faults.push(format!(
            "the hardware clock was changed to {}: local time is {}",
            clock(hardware),
            clock(host + zone)
        ));
    }
    if differs(system, host) {
        faults.push(format!(
            "the system's clock is {} s off: {} UTC",
            system - host,
            clock(system)
        ));
    }
    if keeps != "LOCAL" {
        faults.push(format!(
            "/etc/adjtime says that the hardware clock keeps {keeps:?}, not LOCAL"
        ));
    }
    let kept = format!(
        "the hardware clock keeps local time, {}; UTC is {}",
        clock(hardware),
        clock(system)
    );
    Finding::from_faults(&faults, kept)
}

/// Hours and minutes.
pub fn clock(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map_or_else(
        || seconds.to_string(),
        |time| time.format("%H:%M").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    const NOON: i64 = 1_790_000_000 - 1_790_000_000 % 86400 + 43200;

    #[test]
    fn offsets_have_hours_and_minutes() {
        assert_eq!(offset("+0100"), Some(3600));
        assert_eq!(offset("-0330\n"), Some(-12600));
        assert_eq!(offset("+0000"), Some(0));
        assert_eq!(offset(""), None);
    }

    #[test]
    fn the_hardware_clock_keeps_local_time() {
        let good = Facts {
            host: NOON + 3,
            system: NOON,
            zone: 7200,
            hardware: NOON + 7200,
            keeps: "LOCAL".to_string(),
        };
        assert_kept(
            judge(&good),
            "the hardware clock keeps local time, 14:00; UTC is 12:00",
        );
        assert_each_breaks(
            &good,
            judge,
            &[
                (
                    |facts| facts.hardware = NOON,
                    "the hardware clock was changed to 12:00: local time is 14:00",
                ),
                (
                    |facts| facts.system += 7200,
                    "the system's clock is 7197 s off: 14:00 UTC",
                ),
                (
                    |facts| facts.keeps = "UTC".to_string(),
                    "/etc/adjtime says that the hardware clock keeps \"UTC\", not LOCAL",
                ),
            ],
        );
    }
}
