//! `boot.broken-persist`

use anyhow::{Context as _, Result};
use vm::NoLogin;

use crate::disk_fixtures::{Damage, DiskSetup};
use crate::scenario::{Context, Finding};

/// The machine with one kind of damage.
#[derive(Debug, Clone)]
enum Facts {
    /// It did not get to a login; why.
    NoLogin(String),
    /// The owner's key was refused, so there was no root shell to look with.
    KeyRefused,
    Up(Machine),
}

#[derive(Debug, Clone)]
struct Machine {
    /// The login banner's notice about PERSIST.
    notice: String,
    /// What `systemctl status` prints about persist.service.
    status: String,
    /// The file system's type at /persist.
    file_system: String,
    /// Why a file could not be written there.
    write_error: Option<String>,
    /// The file system on PERSIST is the one that was there before.
    unchanged: bool,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Vec<(Damage, Facts)>> {
    let mut all = Vec::new();
    for (turn, damage) in Damage::ALL.into_iter().enumerate() {
        // The scenario's machine has booted with the first one.
        let facts = if turn == 0 {
            look(cx)
        } else {
            boot_with(cx, damage)
        };
        all.push((damage, facts.with_context(|| format!("{damage:?}"))?));
    }
    Ok(all)
}

fn boot_with(cx: &mut Context, damage: Damage) -> Result<Facts> {
    cx.machine.power_cut();
    cx.disks.swap(cx.machine, DiskSetup::Damaged(damage))?;
    match cx.machine.boot() {
        Ok(_) => look(cx),
        Err(error) => Ok(Facts::NoLogin(error.downcast::<NoLogin>()?.to_string())),
    }
}

fn look(cx: &mut Context) -> Result<Facts> {
    let server = cx.machine.server()?;
    if !cx.owner_key_accepted(&server)? {
        return Ok(Facts::KeyRefused);
    }
    let [notice, status, file_system, write] = cx.exec([
        "cat /run/ollamalive/notices/persist",
        "systemctl status persist.service --no-pager --lines=20",
        "findmnt -no FSTYPE --mountpoint /persist",
        "touch /persist/probe && rm /persist/probe",
    ])?;
    Ok(Facts::Up(Machine {
        notice: notice.text,
        status: status.text,
        file_system: file_system.text,
        write_error: (!write.ok()).then_some(write.text),
        unchanged: cx.disks.persist_is_unchanged(),
    }))
}

fn judge(all: &[(Damage, Facts)]) -> Finding {
    let mut faults = Vec::new();
    let mut kept = Vec::new();
    for (damage, facts) in all {
        let found = match facts {
            Facts::NoLogin(why) => vec![why.clone()],
            Facts::KeyRefused => vec!["the owner's key is refused".to_string()],
            Facts::Up(machine) => problems(machine, *damage),
        };
        if found.is_empty() {
            kept.push(format!("{damage:?}"));
        }
        faults.extend(found.iter().map(|fault| format!("{damage:?}: {fault}")));
    }
    let kept = format!(
        "boots, accepts the owner's key, reports the damage and formats nothing: {}",
        kept.join(", ")
    );
    Finding::from_faults(&faults, kept)
}

/// The words that tell the owner about `damage`.
fn report_of(damage: Damage) -> &'static str {
    match damage {
        Damage::Garbage => "has lost its beginning",
        Damage::Truncated => "longer than the stick",
        Damage::Full => "PERSIST is full",
        Damage::ReadOnly => "write-protected",
        Damage::Twin => "two sticks with the same image",
    }
}

fn problems(machine: &Machine, damage: Damage) -> Vec<String> {
    let mut faults = Vec::new();
    let notice = &machine.notice;
    let words = report_of(damage);
    if !notice.contains(words) {
        faults.push(format!("the login banner says {notice:?}"));
    }
    // A full PERSIST is used; in the place of any other there is memory.
    let used = damage == Damage::Full;
    if !used && !notice.contains("NOTHING IS KEPT") {
        faults.push(format!(
            "the banner does not say that nothing is kept: {notice:?}"
        ));
    }
    if !machine.status.contains(words) {
        faults.push("systemctl status persist does not report the damage".to_string());
    }
    let expected = if used { "ext4" } else { "tmpfs" };
    if machine.file_system != expected {
        faults.push(format!("/persist is {:?}", machine.file_system));
    }
    if let Some(error) = machine.write_error.as_ref().filter(|_| !used) {
        faults.push(format!("/persist is not writable: {error}"));
    }
    if !machine.unchanged {
        faults.push("PERSIST was formatted".to_string());
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn machine(damage: Damage) -> Machine {
        let words = report_of(damage);
        let used = damage == Damage::Full;
        let memory = if used { "" } else { ". NOTHING IS KEPT" };
        Machine {
            notice: format!("{words}{memory}"),
            status: words.to_string(),
            file_system: if used { "ext4" } else { "tmpfs" }.to_string(),
            write_error: used.then(|| "No space left".to_string()),
            unchanged: true,
        }
    }

    #[test]
    fn kept_when_every_damage_is_reported() {
        let all = Damage::ALL.map(|damage| (damage, Facts::Up(machine(damage))));
        assert_kept(
            judge(&all),
            "boots, accepts the owner's key, reports the damage and formats nothing: \
             Garbage, Truncated, Full, ReadOnly, Twin",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &machine(Damage::Garbage),
            |machine| judge(&[(Damage::Garbage, Facts::Up(machine.clone()))]),
            &[
                (
                    |machine| machine.notice = "NOTHING IS KEPT".to_string(),
                    "Garbage: the login banner says \"NOTHING IS KEPT\"",
                ),
                (
                    |machine| machine.notice = "has lost its beginning".to_string(),
                    "Garbage: the banner does not say that nothing is kept: \"has lost its beginning\"",
                ),
                (
                    |machine| machine.status = String::new(),
                    "Garbage: systemctl status persist does not report the damage",
                ),
                (
                    |machine| machine.file_system = "ext4".to_string(),
                    "Garbage: /persist is \"ext4\"",
                ),
                (
                    |machine| machine.write_error = Some("read-only".to_string()),
                    "Garbage: /persist is not writable: read-only",
                ),
                (
                    |machine| machine.unchanged = false,
                    "Garbage: PERSIST was formatted",
                ),
            ],
        );
    }

    #[test]
    fn a_full_persist_has_to_be_used() {
        let facts = Machine {
            file_system: "tmpfs".to_string(),
            ..machine(Damage::Full)
        };
        assert_eq!(
            judge(&[(Damage::Full, Facts::Up(facts))]),
            Finding::Broken("Full: /persist is \"tmpfs\"".to_string())
        );
    }

    #[test]
    fn a_machine_that_cannot_be_reached_breaks_it() {
        let all = [
            (Damage::Twin, Facts::NoLogin("no login".to_string())),
            (Damage::Full, Facts::KeyRefused),
        ];
        let evidence = "Twin: no login; Full: the owner's key is refused";
        assert_eq!(judge(&all), Finding::Broken(evidence.to_string()));
    }
}
