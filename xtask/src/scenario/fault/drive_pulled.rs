//! `fault.drive-pulled`

use anyhow::{Result, ensure};

use super::{LOOK, Reach};
use crate::disk_fixtures::MODELS;
use crate::scenario::{Context, Finding, ollama};

/// Waits until systemd has dealt with a lost device: udev hears of the device first, then systemd, and stopping a container
/// takes seconds.
const AT_REST: &str = "udevadm settle --timeout=30; sleep 2; \
    for turn in $(seq 60); do [ -n \"$(systemctl list-jobs --no-legend)\" ] || exit 0; sleep 1; done; \
    systemctl list-jobs; exit 1";

#[derive(Debug, Clone)]
struct Facts {
    /// A file on the drive before it was pulled.
    before: String,
    /// Without the drive.
    reach: Reach,
    /// Reading that file without the drive did not end in time.
    hangs: bool,
    /// Ollama's version with the drive plugged in again, after a restart of the unit; or why there is none.
    version: Result<String, String>,
    /// The same file then.
    after: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    let facts = gather(cx)?;
    Ok(judge(&facts, &cx.contract.models.mount_point))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    ollama::wait_until_up(cx)?;
    let folder = &cx.contract.models.mount_point;
    let unit = &cx.contract.ollama.unit;
    let read = format!("timeout {} cat {folder}/good", LOOK.as_secs());
    let before = cx.machine.succeed(&read)?;
    cx.machine.pull(MODELS)?;
    let [disks] = cx.exec(["lsblk -nro SERIAL"])?;
    ensure!(
        !disks.text.contains(MODELS),
        "the guest still has the models drive: {}",
        disks.text
    );
    cx.machine.succeed(AT_REST)?;
    let reach = Reach::gather(cx)?;
    // Reading from the missing drive has to fail at once; timeout exits with 124 when it hangs.
    let [missing] = cx.exec([&read])?;
    cx.machine.plug(MODELS)?;
    cx.machine.succeed("udevadm settle --timeout=30")?;
    cx.machine.succeed(&format!("systemctl restart {unit}"))?;
    let version = ollama::answer(cx)?;
    let [after] = cx.exec([&read])?;
    Ok(Facts {
        before,
        reach,
        hangs: missing.status == 124,
        version,
        after: after.text,
    })
}

fn judge(facts: &Facts, folder: &str) -> Finding {
    let mut faults = facts.reach.faults();
    if facts.hangs {
        faults.push(format!("reading from {folder} hangs"));
    }
    if let Err(why) = &facts.version {
        faults.push(format!(
            "with the drive plugged in again and Ollama restarted: {why}"
        ));
    }
    if facts.after != facts.before {
        faults.push(format!(
            "with the drive plugged in again the models are not there: {}",
            facts.after
        ));
    }
    Finding::from_faults(
        &faults,
        "SSH and Ollama answer without it; plugged in again, a restart of Ollama brings the models back",
    )
}

#[cfg(test)]
mod tests {
    use super::super::reach::tests::reachable;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            before: "readable".to_string(),
            reach: reachable(),
            hangs: false,
            version: Ok("0.1".to_string()),
            after: "readable".to_string(),
        }
    }

    fn judge_folder(facts: &Facts) -> Finding {
        judge(facts, "/mnt/models")
    }

    #[test]
    fn kept_when_the_models_come_back() {
        assert_kept(
            judge_folder(&good()),
            "SSH and Ollama answer without it; plugged in again, a restart of Ollama brings the models back",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge_folder,
            &[
                (
                    |facts| facts.reach.ollama = Err("no answer".to_string()),
                    "Ollama: no answer",
                ),
                (|facts| facts.hangs = true, "reading from /mnt/models hangs"),
                (
                    |facts| facts.version = Err("no answer".to_string()),
                    "with the drive plugged in again and Ollama restarted: no answer",
                ),
                (
                    |facts| facts.after = "No such file".to_string(),
                    "with the drive plugged in again the models are not there: No such file",
                ),
            ],
        );
    }
}
