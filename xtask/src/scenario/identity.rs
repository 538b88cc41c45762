//! A reboot and a power cut.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use super::{Context, Finding};

/// The server's host keys as a client sees them: one login for each configured key, which then is the only kind that the
/// client accepts. (ssh-keyscan would do it too, but servers hold connections without a login against the client.)
fn host_keys(cx: &mut Context) -> Result<BTreeSet<String>> {
    let server = cx.machine.server()?;
    let owner = cx.machine.parts.owner.clone();
    cx.contract
        .ssh
        .host_keys
        .iter()
        .map(|key| {
            let algorithm = match key.r#type.as_str() {
                "rsa" => "rsa-sha2-512".to_string(),
                other => format!("ssh-{other}"),
            };
            server
                .host_key(&algorithm, &owner)
                .with_context(|| format!("the host key {}", key.path))
        })
        .collect()
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
