//! A reboot and a power cut.

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Context, Finding};
use crate::machine::ssh::LOGIN_DEADLINE;
use crate::process;

/// How long a server may hold back because clients were refused before (OpenSSH's PerSourcePenalties).
const PENALTY: Duration = Duration::from_secs(120);

/// The server's public host keys, as a client sees them. Asks again while it shows fewer than are configured: a server
/// that has refused a client several times does not answer it for a while.
fn host_keys(cx: &mut Context) -> Result<BTreeSet<String>> {
    let port = cx.machine.server()?.port;
    let configured = cx.contract.ssh.host_keys.len();
    let start = Instant::now();
    loop {
        let mut scan = Command::new("ssh-keyscan");
        scan.args(["-T", "30", "-p", &port.to_string(), "127.0.0.1"]);
        let end = process::finish(scan, "ssh-keyscan", LOGIN_DEADLINE)?;
        let keys: BTreeSet<String> = end
            .stdout
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(_, key)| key.to_string())
            .collect();
        if keys.len() >= configured || (start.elapsed() > PENALTY && !keys.is_empty()) {
            return Ok(keys);
        }
        if start.elapsed() > PENALTY {
            bail!(
                "the server showed no host key: {}",
                end.stderr.lines().last().unwrap_or("no message")
            );
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// `ssh.identity-survives`
pub fn survives(cx: &mut Context) -> Result<Finding> {
    let before = host_keys(cx)?;
    let promised = cx.contract.ssh.host_keys.len();
    let mut faults = Vec::new();
    if before.len() != promised {
        faults.push(format!(
            "the server shows {} host keys, {promised} are configured",
            before.len()
        ));
    }
    let reboot = cx.machine.reboot()?;
    if host_keys(cx)? != before {
        faults.push("other host keys after a reboot".to_string());
    }
    cx.machine.power_cut();
    let again = cx.machine.boot()?;
    if host_keys(cx)? != before {
        faults.push("other host keys after a power cut".to_string());
    }
    let kept = format!(
        "the same {} keys after a reboot ({:.1} s to login) and a power cut ({:.1} s)",
        before.len(),
        reboot.as_secs_f64(),
        again.as_secs_f64()
    );
    Ok(Finding::from_faults(&faults, kept))
}
