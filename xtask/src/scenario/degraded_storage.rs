//! Sticks that something has happened to, and sticks of others.

use anyhow::{Context as _, Result};

use super::{Context, Finding};
use crate::disk_fixtures::{Damage, DiskSetup, MARKER};
use vm::NoLogin;

/// What the owner is told, in a few words of it.
fn told(damage: Damage) -> &'static str {
    match damage {
        Damage::Garbage => "has lost its beginning",
        Damage::Truncated => "longer than the stick",
        Damage::Full => "PERSIST is full",
        Damage::ReadOnly => "write-protected",
        Damage::Twin => "two sticks with the same image",
    }
}

/// `boot.broken-persist`
pub fn boots_with_broken_persist(cx: &mut Context) -> Result<Finding> {
    let mut faults = Vec::new();
    let mut kept = Vec::new();
    for (turn, damage) in Damage::ALL.into_iter().enumerate() {
        // The machine of this scenario is switched on with the first one.
        if turn > 0 {
            cx.machine.power_cut();
            cx.disks.swap(cx.machine, DiskSetup::Damaged(damage))?;
            if let Err(error) = cx.machine.boot() {
                if !error.is::<NoLogin>() {
                    return Err(error);
                }
                faults.push(format!("{damage:?}: {error}"));
                continue;
            }
        }
        let found = look(cx, damage).with_context(|| format!("{damage:?}"))?;
        if found.is_empty() {
            kept.push(format!("{damage:?}"));
        }
        faults.extend(found.iter().map(|fault| format!("{damage:?}: {fault}")));
    }
    Ok(Finding::from_faults(
        &faults,
        format!(
            "comes up, lets the owner in, says what is wrong and formats nothing: {}",
            kept.join(", ")
        ),
    ))
}

fn look(cx: &mut Context, damage: Damage) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let server = cx.machine.server()?;
    if !cx.owner_gets_in(&server)? {
        return Ok(vec!["the owner's key is refused".to_string()]);
    }
    let outputs = cx.machine.exec(&[
        "cat /run/ollamalive/notices/persist",
        "systemctl status persist.service --no-pager --lines=20",
        "findmnt -no FSTYPE --mountpoint /persist",
        "touch /persist/probe && rm /persist/probe",
    ])?;
    let notice = &outputs[0].text;
    if !notice.contains(told(damage)) {
        faults.push(format!("the login banner says {notice:?}"));
    }
    let used = damage == Damage::Full;
    if !used && !notice.contains("NOTHING IS KEPT") {
        faults.push(format!(
            "the banner does not say that nothing is kept: {notice:?}"
        ));
    }
    if !outputs[1].text.contains(told(damage)) {
        faults.push("systemctl status persist does not say what is wrong".to_string());
    }
    let expected = if used { "ext4" } else { "tmpfs" };
    if outputs[2].text != expected {
        faults.push(format!("/persist is {:?}", outputs[2].text));
    }
    if !used && !outputs[3].ok() {
        faults.push(format!("/persist is not writable: {}", outputs[3].text));
    }
    if !cx.disks.persist_is_unchanged() {
        faults.push("PERSIST was formatted".to_string());
    }
    Ok(faults)
}

/// `persist.of-the-booted-stick`
pub fn of_the_booted_stick(cx: &mut Context) -> Result<Finding> {
    let outputs = cx.machine.exec(&[
        &format!("cat /persist/{MARKER}"),
        "findmnt -no SOURCE --mountpoint /persist",
        "lsblk -nro NAME,PARTLABEL | grep -c PERSIST",
    ])?;
    let mut faults = Vec::new();
    if outputs[0].text.trim() != "ours" {
        faults.push(format!(
            "/persist is {}, whose marker says {:?}",
            outputs[1].text, outputs[0].text
        ));
    }
    let unchanged = cx
        .disks
        .other_tables_are_unchanged()
        .context("the partition table of the other stick could not be read")?;
    // A machine that takes it for the booted one makes its PERSIST larger.
    if !unchanged {
        faults.push("the partition table of the other stick was changed".to_string());
    }
    faults.extend(cx.bad_lines()?);
    if outputs[2].text != "2" {
        faults.push(format!("{} partitions are PERSIST, not 2", outputs[2].text));
    }
    Ok(Finding::from_faults(
        &faults,
        format!(
            "{} of the two is used, the other one is as it was",
            outputs[1].text
        ),
    ))
}

/// `update.from-previous`
pub fn update_from_previous(cx: &mut Context) -> Result<Finding> {
    let outputs = cx.machine.exec(&[
        &format!("cat /persist/{MARKER}"),
        "findmnt -bno FSTYPE,SIZE --mountpoint /persist",
        "cat /persist/ssh/ssh_host_ed25519_key.pub",
        "cat /run/ollamalive/notices/persist",
        "lsblk -bno SIZE /dev/ollamalive/PERSIST",
    ])?;
    let mut faults = Vec::new();
    let server = cx.machine.server()?;
    let owner = cx.machine.login().key.clone();
    // The client tells a fingerprint; that the key file is unchanged tells which key it is of.
    let shown = server.host_key("ssh-ed25519", &owner)?;
    let fingerprint = cx
        .machine
        .succeed("ssh-keygen -lf /persist/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2")?;
    if outputs[0].text.trim() != outputs[2].text.trim() || !shown.contains(fingerprint.trim()) {
        faults.push(format!(
            "the machine has another identity: it shows {shown}, its state had {:?}",
            outputs[0].text
        ));
    }
    faults.extend(cx.bad_lines()?);
    if outputs[3].ok() {
        faults.push(format!("the login banner warns: {}", outputs[3].text));
    }
    let (size, partition): (u64, u64) = (
        outputs[1]
            .text
            .split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .parse()
            .with_context(|| format!("/persist is {:?}", outputs[1].text))?,
        outputs[4].text.trim().parse()?,
    );
    if size < partition / 10 * 9 {
        faults.push(format!(
            "the file system did not grow with its partition: {size} of {partition} bytes"
        ));
    }
    Ok(Finding::from_faults(
        &faults,
        format!(
            "identity, key and home of a PERSIST made by hand are used; it grew to {} MiB",
            size >> 20
        ),
    ))
}
