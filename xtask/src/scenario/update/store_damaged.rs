//! `boot.store-damaged`

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use anyhow::Result;

use crate::scenario::{Context, Finding};
use crate::update_release::derived::flip_store_byte;

/// What the kernel says about a block whose hash differs (Linux, drivers/md/dm-verity-target.c).
const FOUND: &str = "data block 0 is corrupted";

/// Longer than any boot takes to its login, under emulation.
const BOOT: Duration = Duration::from_secs(200);

#[derive(Debug, Clone)]
struct Facts {
    came_up: bool,
    console: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    cx.machine.power_cut();
    // A byte of the block that is read first.
    flip_store_byte(&cx.disks.stick.path, 0)?;
    let log = cx.machine.folder.join("console.log");
    let before = fs::metadata(&log)?.len();
    cx.machine.boot_interrupted(BOOT)?;
    flip_store_byte(&cx.disks.stick.path, 0)?;
    let mut console = fs::File::open(&log)?;
    console.seek(SeekFrom::Start(before))?;
    let mut shown = Vec::new();
    console.read_to_end(&mut shown)?;
    let console = String::from_utf8_lossy(&shown).into_owned();
    // For the promises after this one.
    cx.machine.boot()?;
    Ok(Facts {
        came_up: console.contains("login: "),
        console,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    if facts.came_up {
        faults.push("a system with a changed byte runs".to_string());
    }
    if !facts.console.contains(FOUND) {
        faults.push(format!("the console does not say {FOUND:?}"));
    }
    Finding::from_faults(
        &faults,
        "the changed block is named on the console, and nothing of it runs",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            came_up: false,
            console: format!("device-mapper: verity: 254:3: {FOUND}"),
        }
    }

    #[test]
    fn kept_when_it_does_not_run() {
        assert_kept(
            judge(&good()),
            "the changed block is named on the console, and nothing of it runs",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.came_up = true,
                    "a system with a changed byte runs",
                ),
                (
                    |facts| facts.console.clear(),
                    "the console does not say \"data block 0 is corrupted\"",
                ),
            ],
        );
    }
}
