//! Kills Ollama's container, and waits for the next one.

use std::time::{Duration, Instant};

use anyhow::Result;
use vm::process::pause;

use super::client::{UP, answer_after};
use crate::scenario::Context;

const POLL: Duration = Duration::from_millis(300);

/// The new container's first answer.
#[derive(Debug, Clone)]
pub struct Recovery {
    pub version: String,
    /// Since the kill.
    pub took: Duration,
}

/// Kills the container: the next one's answer, or why there is none within [`UP`].
///
/// # Errors
/// There is no container to kill, or no root shell; or the run cannot go on.
pub fn kill_container(cx: &mut Context) -> Result<Result<Recovery, String>> {
    let container = &cx.contract.ollama.container;
    let unit = &cx.contract.ollama.unit;
    let identify = format!("docker inspect --format '{{{{.Id}}}}' {container}");
    let is_failed = format!("systemctl is-failed {unit}");
    let before = cx.machine.succeed(&identify)?;
    let restarts = cx
        .machine
        .succeed(&format!("systemctl show {unit} -p NRestarts --value"))?
        .parse()?;
    cx.machine.succeed(&format!("docker kill {container}"))?;
    let killed = Instant::now();
    // The old container must be gone before an answer counts.
    while killed.elapsed() < UP {
        let [id, failed] = cx.exec([&identify, &is_failed])?;
        if id.ok() && id.text != before {
            break;
        }
        if failed.ok() {
            return Ok(Err(format!("{unit} has failed")));
        }
        pause(POLL)?;
    }
    let left = UP.saturating_sub(killed.elapsed());
    let answer = answer_after(cx, left, restarts)?;
    Ok(answer.map(|version| Recovery {
        version,
        took: killed.elapsed(),
    }))
}
