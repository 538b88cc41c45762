//! `boot.store-damaged`

use anyhow::{Result, ensure};
use vm::NoLogin;

use crate::scenario::{Context, Finding};
use crate::update_release::derived::flip_store_byte;

/// What the kernel says of a block whose hash differs (Linux, drivers/md/dm-verity-target.c).
const FOUND: &str = "data block 0 is corrupted";

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
    // In the block that is read first.
    flip_store_byte(&cx.disks.stick.path, 0)?;
    let came_up = match cx.machine.boot() {
        Ok(_) => true,
        Err(error) => {
            ensure!(error.is::<NoLogin>(), error);
            false
        }
    };
    let console = cx.machine.console()?.history()?;
    cx.machine.power_cut();
    flip_store_byte(&cx.disks.stick.path, 0)?;
    // For the promises after this one.
    cx.machine.boot()?;
    Ok(Facts { came_up, console })
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
