//! `docker.prunes-weekly`

use std::time::{Duration, Instant};

use anyhow::Result;
use vm::process::pause;

use crate::scenario::{Context, Finding, ollama, one_line};

const TIMER: &str = "docker-image-prune.timer";
const SERVICE: &str = "docker-image-prune.service";
/// systemd keeps the time of a timer's last run as the age of this file.
const STAMP: &str = "/var/lib/systemd/timers/stamp-docker-image-prune.timer";
const INVOCATION: &str = "systemctl show docker-image-prune.service -p InvocationID --value";
const STATE: &str = "systemctl show docker-image-prune.service -p ActiveState --value";
/// An image that no container uses.
const UNUSED: &str = "unused:probe";
/// For the run that was missed, under emulation; systemd starts a timer's job within a minute.
const RUN: Duration = Duration::from_secs(150);
const POLL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct Facts {
    /// `active` when the timer is, from the boot on.
    state: String,
    /// `MAJ:MIN` of the device that the stamp is on.
    stamp_device: String,
    /// `MAJ:MIN FSTYPE` of the mount at /persist.
    persist: String,
    /// The service ran when the timer found that its last run was eight days ago.
    made_up: bool,
    /// How the service ended: `success`, or otherwise.
    result: String,
    /// The unused image and one without a name, as far as they are still there.
    left: Vec<String>,
    /// The configured image was there, with no container, before and after.
    configured: [bool; 2],
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    cx.machine.settle()?;
    // The service loads the configured image.
    ollama::wait_until_up(cx)?;
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let unit = cx.contract.ollama.unit.clone();
    let configured = format!("docker image inspect {}", cx.contract.ollama.image);
    let [state, stamp_device, persist, _, before, _, nameless] = cx.exec([
        &format!("systemctl is-active {TIMER}"),
        "findmnt -no MAJ:MIN -T /var/lib/systemd/timers",
        "findmnt -no MAJ:MIN,FSTYPE --mountpoint /persist",
        &format!("systemctl stop {unit} {TIMER}"),
        &configured,
        &format!("tar -c -T /dev/null | docker import - {UNUSED}"),
        // Another image: the same content has the same name.
        "tar -c -T /dev/null | docker import -c 'ENV probe=1' -",
    ])?;
    let [before_run, started] = cx.exec([
        INVOCATION,
        &format!("touch -d '8 days ago' {STAMP} && systemctl start {TIMER}"),
    ])?;
    let made_up = started.ok() && ran(cx, &before_run.text)?;
    if !made_up {
        // What the service does counts as well.
        cx.exec([&format!("systemctl start {SERVICE}")])?;
    }
    let [result, unused, unnamed, after, _] = cx.exec([
        &format!("systemctl show {SERVICE} -p Result --value"),
        &format!("docker image inspect {UNUSED}"),
        &format!("docker image inspect {}", nameless.text.trim()),
        &configured,
        &format!(
            "docker image rm {UNUSED} {}; systemctl start {TIMER}; systemctl start --no-block {unit}",
            nameless.text.trim()
        ),
    ])?;
    let left = [(unused, UNUSED), (unnamed, "one without a name")];
    Ok(Facts {
        state: state.text,
        stamp_device: stamp_device.text,
        persist: persist.text,
        made_up,
        result: result.text,
        left: left
            .into_iter()
            .filter(|(inspected, _)| inspected.ok())
            .map(|(_, name)| name.to_string())
            .collect(),
        configured: [before.ok(), after.ok()],
    })
}

/// Waits until the service has run once more than `before`, its last invocation, but not longer than [`RUN`].
fn ran(cx: &mut Context, before: &str) -> Result<bool> {
    let start = Instant::now();
    while start.elapsed() < RUN {
        let [invocation, state] = cx.exec([INVOCATION, STATE])?;
        if invocation.text != before && !state.text.contains("activating") {
            return Ok(true);
        }
        pause(POLL)?;
    }
    Ok(false)
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    if facts.state != "active" {
        faults.push(format!("{TIMER} is {}", one_line(&facts.state)));
    } else if !facts.made_up {
        faults.push("a run that was due a day ago was not made up for".to_string());
    }
    let persist: Vec<&str> = facts.persist.split_whitespace().collect();
    if persist != [facts.stamp_device.trim(), "ext4"] {
        faults.push(format!(
            "the time of the last run is on device {}, PERSIST is {}",
            facts.stamp_device, facts.persist
        ));
    }
    if facts.result != "success" {
        faults.push(format!("{SERVICE} ended with {}", facts.result));
    }
    for image in &facts.left {
        faults.push(format!("an unused image is still there: {image}"));
    }
    match facts.configured {
        [false, _] => faults.push("the configured image was not there".to_string()),
        [true, false] => faults.push("the configured image is gone".to_string()),
        [true, true] => {}
    }
    Finding::from_faults(
        &faults,
        "a missed run is made up for; unused images go, the configured one stays, even with no container",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            state: "active".to_string(),
            stamp_device: "254:3".to_string(),
            persist: "254:3 ext4".to_string(),
            made_up: true,
            result: "success".to_string(),
            left: Vec::new(),
            configured: [true, true],
        }
    }

    #[test]
    fn kept_when_only_the_configured_image_stays() {
        assert_kept(
            judge(&good()),
            "a missed run is made up for; unused images go, the configured one stays, even with no container",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.state = "inactive".to_string(),
                    "docker-image-prune.timer is inactive",
                ),
                (
                    |facts| facts.made_up = false,
                    "a run that was due a day ago was not made up for",
                ),
                (
                    |facts| facts.stamp_device = "0:30".to_string(),
                    "the time of the last run is on device 0:30, PERSIST is 254:3 ext4",
                ),
                (
                    |facts| facts.persist = "254:3 tmpfs".to_string(),
                    "the time of the last run is on device 254:3, PERSIST is 254:3 tmpfs",
                ),
                (
                    |facts| facts.result = "exit-code".to_string(),
                    "docker-image-prune.service ended with exit-code",
                ),
                (
                    |facts| facts.left.push(UNUSED.to_string()),
                    "an unused image is still there: unused:probe",
                ),
                (
                    |facts| facts.configured = [false, false],
                    "the configured image was not there",
                ),
                (
                    |facts| facts.configured = [true, false],
                    "the configured image is gone",
                ),
            ],
        );
    }
}
