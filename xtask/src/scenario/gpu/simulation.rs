//! A GPU that is not there. What its driver and the CDI generator leave on a machine is made by hand: the device, with
//! NVIDIA's number, and the CDI spec. Nothing serves that number here, so opening the device fails in one way where it is
//! allowed, and in another where it is not.

use std::time::{Duration, Instant};

use anyhow::Result;
use vm::process::pause;

use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, of_container};

/// Until a container is replaced, under emulation.
const REPLACED: Duration = Duration::from_secs(120);
/// Until Ollama has been restarted and has computed on the CPU again.
const TOLD: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_secs(1);

const DEVICE: &str = "/dev/nvidia0";
const SPEC: &str = "/run/cdi/nvidia-container-toolkit.json";
const RESTARTED: &str = "/run/ollamalive/gpu-restarted";
const NOTICE: &str = "/run/ollamalive/notices/gpu";

/// The devices of the spec: one, one with which Ollama computes on the CPU all the same, and none.
const ONE: &str = r#"{"name":"all","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia0"}]}}"#;
const IDLE: &str = r#"{"name":"all","containerEdits":{"env":["OLLAMALIVE_GPU=none"],"deviceNodes":[{"path":"/dev/nvidia0"}]}}"#;
const NONE: &str = "";

/// What happened to Ollama's container.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Once the driver was there, the container got the device within [`REPLACED`].
    pub given: bool,
    /// What was printed when the device was opened from the container.
    pub opened: Opened,
    /// The starts of Ollama's unit that computed on the CPU beside the GPU: the first, and the last before the notice.
    pub first: String,
    pub last: String,
    /// How often gpu-watch.service says that it restarts Ollama.
    pub restarts: String,
    /// The notice about the GPU after that.
    pub notice: String,
    /// The state of the container after the spec had no devices, in Docker's words.
    pub without: String,
}

/// What was printed when the devices of a container were opened, before and after `systemctl daemon-reload`.
#[derive(Debug, Clone)]
pub struct Opened {
    pub before: String,
    pub after: String,
}

/// Makes the GPU, lets it go again, and leaves the machine as it was.
pub fn gather(cx: &mut Context) -> Result<Facts> {
    wait_until_up(cx)?;
    let container = cx.contract.ollama.container.clone();
    let unit = cx.contract.ollama.unit.clone();
    let start = format!("systemctl show {unit} -p InvocationID --value");
    let running = format!("docker inspect --format '{{{{.State.Status}}}}' {container}");
    let restart = format!("systemctl restart {unit}");

    // An Ollama that finds no card behind the device would be restarted for that; here it counts as done.
    cx.exec([
        &format!("systemctl start {unit}"),
        &format!("touch {RESTARTED}; [ -e {DEVICE} ] || mknod -m 666 {DEVICE} c 195 0"),
        &spec(ONE),
        "systemctl restart gpu-fallback.service",
    ])?;
    let given = wait_for(cx, &has_device(&container), REPLACED)?;
    let opened = open_around_reload(cx, &container)?;

    let [_, _, _, _, first] = cx.exec([
        "systemctl stop gpu-watch.service",
        &format!("rm -f {RESTARTED} {NOTICE}"),
        &spec(IDLE),
        &format!("systemctl restart {unit}"),
        &start,
    ])?;
    wait_for(cx, &format!("[ -s {NOTICE} ]"), TOLD)?;
    let [last, restarts, notice] = cx.exec([
        &start,
        "journalctl -b --no-pager -o cat -u gpu-watch.service | grep -c 'restarted once'",
        &format!("cat {NOTICE}"),
    ])?;

    cx.exec([
        "systemctl stop gpu-watch.service",
        &format!("rm -f {RESTARTED}"),
        &spec(NONE),
        "systemctl restart gpu-fallback.service",
        &restart,
    ])?;
    let replaced = format!(
        "[ \"$({running})\" = running ] && ! {{ {}; }}",
        has_device(&container)
    );
    wait_for(cx, &replaced, REPLACED)?;
    let [without] = cx.exec([&running])?;
    cx.exec([
        &format!("rm -f {DEVICE} {SPEC} {SPEC}.unusable"),
        "systemctl restart gpu-fallback.service",
    ])?;
    wait_until_up(cx)?;
    Ok(Facts {
        given,
        opened,
        first: first.text,
        last: last.text,
        restarts: restarts.text,
        notice: notice.text,
        without: without.text,
    })
}

/// Opens the GPU's devices as `container` may, before and after systemd has read its units again.
pub fn open_around_reload(cx: &mut Context, container: &str) -> Result<Opened> {
    // In the container's control group, which decides about devices; the container need not have a shell.
    let open = format!(
        "pid=$(docker inspect --format '{{{{.State.Pid}}}}' {container}); \
         sh -c 'echo $$ > /sys/fs/cgroup$(sed -n s/^0:://p /proc/$0/cgroup)/cgroup.procs; \
         for device in /proc/$0/root/dev/nvidia*; do [ ! -c \"$device\" ] || {{ echo \"${{device##*/}}\"; true < \"$device\"; }}; done' $pid 2>&1"
    );
    // systemd applies its rules about devices after it has answered.
    let reload = "systemctl daemon-reload && sleep 3";
    let [before, _, after] = cx.exec([&open, reload, &open])?;
    Ok(Opened {
        before: before.text,
        after: after.text,
    })
}

/// Writes a CDI spec with `devices`.
fn spec(devices: &str) -> String {
    format!(
        "echo '{{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com/gpu\",\"devices\":[{devices}]}}' > {SPEC}"
    )
}

/// Succeeds if `container` runs and has the device.
fn has_device(container: &str) -> String {
    format!(
        "[ -c {} ]",
        of_container(container, &format!("root{DEVICE}"))
    )
}

/// Whether `command` succeeds within `deadline`.
fn wait_for(cx: &mut Context, command: &str, deadline: Duration) -> Result<bool> {
    let start = Instant::now();
    while start.elapsed() < deadline {
        let [output] = cx.exec([command])?;
        if output.ok() {
            return Ok(true);
        }
        pause(POLL)?;
    }
    Ok(false)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// As on a machine that keeps all its promises.
    pub fn good() -> Facts {
        let denied =
            "nvidia0\nsh: 1: cannot open /proc/812/root/dev/nvidia0: No such device or address";
        Facts {
            given: true,
            opened: Opened {
                before: denied.to_string(),
                after: denied.to_string(),
            },
            first: "3f2a".to_string(),
            last: "77b0".to_string(),
            restarts: "1".to_string(),
            notice: "Ollama computes on the CPU although the PC has an NVIDIA GPU with driver 595.84 (open).".to_string(),
            without: "running".to_string(),
        }
    }

    #[test]
    fn a_spec_is_json() {
        for devices in [ONE, IDLE, NONE] {
            let line = spec(devices);
            let json = line.split('\'').nth(1).unwrap();
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(value["kind"], "nvidia.com/gpu");
        }
    }
}
