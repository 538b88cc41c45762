//! `gpu.survives-daemon-reload`

use anyhow::Result;

use super::simulation::{self, Opened};
use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, Finding, has_nvidia, one_line};

/// The kernel's word for a device that the control group does not allow. A device that nothing serves is another matter.
const DENIED: &str = "not permitted";

pub fn check(cx: &mut Context) -> Result<Finding> {
    if !has_nvidia(cx)? {
        let facts = cx.shared(simulation::gather)?;
        return Ok(judge(
            &facts.opened,
            "with a device that stands in for the GPU",
        ));
    }
    wait_until_up(cx)?;
    let container = cx.contract.ollama.container.clone();
    let opened = simulation::open_around_reload(cx, &container)?;
    Ok(judge(&opened, "with the GPU"))
}

fn judge(opened: &Opened, with: &str) -> Finding {
    let Opened { before, after } = opened;
    let mut faults = Vec::new();
    if !before.contains("nvidia") {
        faults.push(format!("the container has no device: {before:?}"));
    } else if before.contains(DENIED) {
        faults.push(format!("it cannot use its devices: {}", one_line(before)));
    } else if after.contains(DENIED) {
        let after = one_line(after);
        faults.push(format!("after systemctl daemon-reload: {after}"));
    } else if device_names(after) != device_names(before) {
        faults.push(format!("it had {before:?}, and then {after:?}"));
    }
    let kept = format!("{} can be opened, {with}", device_names(before).join(", "));
    Finding::from_faults(&faults, kept)
}

fn device_names(opened: &str) -> Vec<&str> {
    opened
        .lines()
        .filter(|line| line.starts_with("nvidia"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::simulation::tests::good;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn judge(opened: &Opened) -> Finding {
        super::judge(opened, "with the GPU")
    }

    #[test]
    fn kept_when_the_devices_stay() {
        assert_kept(judge(&good().opened), "nvidia0 can be opened, with the GPU");
        let real = "nvidia-uvm\nnvidia0\nnvidiactl".to_string();
        let opened = Opened {
            before: real.clone(),
            after: real,
        };
        assert_kept(
            judge(&opened),
            "nvidia-uvm, nvidia0, nvidiactl can be opened, with the GPU",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        let denied = "nvidia0\nsh: cannot open nvidia0: Operation not permitted";
        assert_eq!(device_names(denied), ["nvidia0"]);
        assert_each_breaks(
            &good().opened,
            judge,
            &[
                (
                    |opened| opened.before = String::new(),
                    "the container has no device: \"\"",
                ),
                (
                    |opened| opened.before = "nvidia0\nOperation not permitted".to_string(),
                    "it cannot use its devices: nvidia0 | Operation not permitted",
                ),
                (
                    |opened| opened.after = "nvidia0\nOperation not permitted".to_string(),
                    "after systemctl daemon-reload: nvidia0 | Operation not permitted",
                ),
                (
                    |opened| {
                        opened.before = "nvidia0\nnvidiactl".to_string();
                        opened.after = "nvidiactl".to_string();
                    },
                    "it had \"nvidia0\\nnvidiactl\", and then \"nvidiactl\"",
                ),
            ],
        );
    }
}
