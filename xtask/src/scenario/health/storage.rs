//! `health.persist`, `health.gpu`, `health.clock`

use anyhow::Result;

use super::Episode;
use super::episode::{gather, judge};
use crate::scenario::{Context, Finding};

/// The cause that an empty clock battery is.
pub const CLOCK: &str = "clock-wrong";

pub const PERSIST: &[Episode] = &[Episode {
    causes: &["persist-full"],
    state: "degraded",
    make: "free=$(df --block-size=1M --output=avail /persist | tail -n 1); fallocate -l $((free - 20))M /persist/filler",
    undo: "rm /persist/filler",
}];

/// The container runs without the GPU that the machine could give it.
pub const GPU: &[Episode] = &[Episode {
    causes: &["gpu-gone"],
    state: "degraded",
    make: "echo yes > /run/ollamalive/gpu",
    undo: "echo no > /run/ollamalive/gpu",
}];

pub fn check_persist(cx: &mut Context) -> Result<Finding> {
    Ok(judge(PERSIST, &gather(cx, PERSIST)?))
}

pub fn check_gpu(cx: &mut Context) -> Result<Finding> {
    Ok(judge(GPU, &gather(cx, GPU)?))
}

/// On a machine whose clock was at 1970 when it was switched on.
pub fn check_clock(cx: &mut Context) -> Result<Finding> {
    let [status] = cx.exec(["for turn in $(seq 20); do \
         ollamalive status --json | grep -F '\"id\":\"clock-wrong\"' && break; sleep 3; done; ollamalive status --json"])?;
    Ok(judge_clock(&status.text))
}

fn judge_clock(status: &str) -> Finding {
    if status.contains(&format!("\"id\":\"{CLOCK}\"")) {
        Finding::Kept(format!("says {CLOCK}"))
    } else {
        Finding::Broken(format!("{CLOCK} is not said: {status}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_named() {
        let kept = judge_clock(r#"{"causes":[{"id":"clock-wrong"}]}"#);
        assert_eq!(kept, Finding::Kept("says clock-wrong".to_string()));
        let broken = judge_clock("{}");
        assert_eq!(
            broken,
            Finding::Broken("clock-wrong is not said: {}".to_string())
        );
    }
}
