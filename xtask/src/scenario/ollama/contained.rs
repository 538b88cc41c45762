//! `ollama.contained`

use anyhow::Result;

use super::client::wait_until_up;
use crate::scenario::{Context, Finding};

/// Where the container sees the models, and Ollama's own state.
const STATE: &str = "/root/.ollama";
/// Mount points that Docker makes in every container, and the /tmp that Ollama unpacks models in.
const USUAL_MOUNTS: &[&str] = &[
    "/",
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/sys",
    "/tmp",
];
/// Docker mounts over single files in these, to hide them.
const USUAL_FOLDERS: &[&str] = &["/dev/", "/proc/", "/sys/"];
/// What Docker puts into /dev of every container.
const USUAL_DEVICES: &[&str] = &[
    "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
    "stdin", "stdout", "tty", "urandom", "zero",
];
/// The GPU's devices: the NVIDIA driver's, and the render nodes.
const GPU_DEVICES: &[&str] = &["nvidia", "dri"];
/// Ollama 0.32 serves with this limit. Without one, systemd sets its own, which grows with the machine's memory.
const MOST_PROCESSES: u32 = 512;
/// A process may open as many files at once; not fewer either, because each client takes one or two.
const MOST_FILES: &str = "65536";

/// What the kernel says about the container's first process: true inside, whatever Docker was told. Nothing has to run in
/// the container, which may hold a single program.
#[derive(Debug, Clone)]
struct Facts {
    /// /proc/PID/status
    status: String,
    /// /proc/PID/mountinfo
    mounts: String,
    /// The names in the container's /dev.
    devices: String,
    /// The namespaces of the process and of the machine's first process: `pid:[…]`, one per line; they share none.
    namespaces: String,
    /// The most processes that its cgroup allows, or `max`.
    processes: String,
    /// How many files a process may open, and how many it may allow itself: two numbers.
    files: String,
    /// A file could be written to the container's root.
    root_written: bool,
    /// What was printed when a file was written to the container's /tmp; empty if that worked.
    tmp_error: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let container = &cx.contract.ollama.container;
    let process = cx
        .machine
        .succeed(&format!(
            "docker inspect --format '{{{{.State.Pid}}}}' {container}"
        ))?
        .trim()
        .to_string();
    let inside = format!("/proc/{process}");
    // Paths under /proc/PID/root go through the container's own mounts.
    let [
        status,
        mounts,
        devices,
        namespaces,
        processes,
        files,
        root_write,
        tmp_write,
    ] = cx.exec([
        &format!("cat {inside}/status"),
        &format!("cat {inside}/mountinfo"),
        &format!("ls {inside}/root/dev"),
        &format!("for p in {process} 1; do readlink /proc/$p/ns/pid /proc/$p/ns/ipc; done"),
        &format!("cat /sys/fs/cgroup$(sed -n 's/^0:://p' {inside}/cgroup)/pids.max"),
        &format!("sed -n 's/^Max open files *//p' {inside}/limits"),
        &format!("touch {inside}/root/probe && rm {inside}/root/probe"),
        &format!("touch {inside}/root/tmp/probe && rm {inside}/root/tmp/probe"),
    ])?;
    Ok(Facts {
        status: status.text,
        mounts: mounts.text,
        devices: devices.text,
        namespaces: namespaces.text,
        processes: processes.text,
        files: files
            .text
            .trim()
            .trim_end_matches("files")
            .trim()
            .to_string(),
        root_written: root_write.ok(),
        tmp_error: if tmp_write.ok() {
            String::new()
        } else {
            tmp_write.text
        },
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = privileges(&facts.status);
    if facts.root_written {
        faults.push("its root can be written to".to_string());
    }
    if !facts.tmp_error.is_empty() {
        faults.push(format!(
            "its /tmp cannot be written to: {}",
            facts.tmp_error
        ));
    }
    faults.extend(foreign_mounts(&facts.mounts));
    let devices = facts.devices.split_whitespace();
    let foreign: Vec<&str> = devices
        .filter(|name| {
            !USUAL_DEVICES.contains(name) && !GPU_DEVICES.iter().any(|gpu| name.starts_with(gpu))
        })
        .collect();
    if !foreign.is_empty() {
        faults.push(format!("it has the machine's {}", foreign.join(", ")));
    }
    let mut namespaces: Vec<&str> = facts.namespaces.lines().collect();
    let count = namespaces.len();
    namespaces.sort_unstable();
    namespaces.dedup();
    if count != 4 || namespaces.len() != count {
        faults.push("it shares the machine's processes or their memory".to_string());
    }
    let processes = facts.processes.trim();
    if !processes
        .parse()
        .is_ok_and(|most: u32| most <= MOST_PROCESSES)
    {
        faults.push(format!("it may start {processes} processes"));
    }
    let mut files = facts.files.split_whitespace();
    let [soft, hard] = [(); 2].map(|()| files.next().unwrap_or_default());
    if [soft, hard] != [MOST_FILES; 2] {
        faults.push(format!(
            "a process may open {soft}, and at most {hard} files"
        ));
    }
    let kept = format!(
        "no capability, no new privileges, a read-only root, nothing of the machine's but {STATE}; {processes} processes and \
         {MOST_FILES} open files at most"
    );
    Finding::from_faults(&faults, kept)
}

/// What is wrong in /proc/PID/status.
fn privileges(status: &str) -> Vec<String> {
    let field = |name: &str| {
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_default().trim()
    };
    let mut faults = Vec::new();
    // The bounding set holds what a program could still get.
    let held: Vec<String> = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
        .iter()
        .filter(|set| u64::from_str_radix(field(set), 16) != Ok(0))
        .map(|set| format!("{set} {}", field(set)))
        .collect();
    if !held.is_empty() {
        faults.push(format!("it has capabilities: {}", held.join(", ")));
    }
    if field("NoNewPrivs") != "1" {
        faults.push("it may gain privileges".to_string());
    }
    // 2: system calls are filtered.
    if field("Seccomp") != "2" {
        faults.push("it may make any system call".to_string());
    }
    faults
}

/// The mounts that show the container something of the machine, other than [`STATE`].
fn foreign_mounts(mounts: &str) -> Vec<String> {
    mounts
        .lines()
        .filter_map(|line| {
            // proc_pid_mountinfo(5): `36 35 98:0 /root /point options … - type source …`
            let (mount, system) = line.split_once(" - ")?;
            let fields: Vec<&str> = mount.split(' ').collect();
            let (root, point, options) = (fields.get(3)?, *fields.get(4)?, fields.get(5)?);
            let kind = system.split(' ').next()?;
            let usual = USUAL_MOUNTS.contains(&point)
                || USUAL_FOLDERS.iter().any(|folder| point.starts_with(folder))
                || point == STATE
                || point.starts_with(&format!("{STATE}/"));
            // The GPU's driver comes from the machine's read-only system.
            let driver = kind == "erofs" && options.split(',').any(|option| option == "ro");
            (!usual && !driver).then(|| format!("{point} is the machine's {root} ({kind})"))
        })
        .collect()
}

#[cfg(test)]
mod tests;
