//! What becomes of a machine's state: a reboot, a power cut in the middle of writing, a reflash. Three boots tell
//! it all, so the machine makes them once and several promises look at what was seen.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::{Context, Finding};
use vm::process::pause;

/// Written before, looked for after. `/etc/forgotten` is on no partition that is kept.
pub(super) const DATA: &str = "/persist/home/durability";
pub(super) const RECORDS: &str = "/persist/home/records";
const ELSEWHERE: &[&str] = &["/etc/forgotten", "/var/lib/forgotten", "/root/forgotten"];
/// How long records are written before the power goes.
const WRITING: Duration = Duration::from_secs(2);

/// A machine's state as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// As a client sees them.
    host_keys: BTreeSet<String>,
    /// SHA-256 of the data that was written.
    data: String,
    machine_id: String,
    /// UUID of PERSIST's file system.
    file_system: String,
}

/// What was seen after one interruption.
struct After {
    what: &'static str,
    /// Seconds to the login.
    login: f64,
    state: State,
    /// Files that should have been forgotten and are there.
    remembered: String,
    /// Failed units, and known-bad lines on the console.
    noise: Vec<String>,
}

/// What was seen on the way.
pub struct Durability {
    before: State,
    after: Vec<After>,
    /// How many records were on the disk, by fsync, when the power went; and how many whole ones were found.
    synced: u64,
    found: u64,
}

/// The durability of this machine: made now, unless another promise has asked for it before.
fn durability<'a>(cx: &'a mut Context) -> Result<&'a Durability> {
    if cx.durability.is_none() {
        let made = travel(cx)?;
        *cx.durability = Some(made);
    }
    cx.durability.as_ref().context("no durability was made")
}

fn travel(cx: &mut Context) -> Result<Durability> {
    let mark = ELSEWHERE.join(" ");
    cx.machine.succeed(&format!(
        "dd if=/dev/urandom of={DATA} bs=1M count=4 2>/dev/null && sync {DATA} && touch {mark}"
    ))?;
    let before = state(cx)?;
    let mut after = Vec::new();

    let login = cx.machine.reboot()?;
    after.push(look(cx, "a reboot", login)?);

    start_writing(cx)?;
    pause(WRITING)?;
    let synced = synced(cx)?;
    cx.machine.power_cut();
    let login = cx.machine.boot()?;
    // A file that is gone has no whole record: that is a finding, and no reason to stop looking.
    let found = whole_records(&cx.machine.exec(&[&format!("cat {RECORDS}")])?[0].text);
    after.push(look(cx, "a power cut", login)?);

    cx.machine.power_cut();
    cx.disks.reflash()?;
    let login = cx.machine.boot()?;
    after.push(look(cx, "a reflash", login)?);
    Ok(Durability {
        before,
        after,
        synced,
        found,
    })
}

fn look(cx: &mut Context, what: &'static str, login: Duration) -> Result<After> {
    let state = state(cx).with_context(|| format!("after {what}"))?;
    let list = format!("ls -d {} 2>/dev/null; true", ELSEWHERE.join(" "));
    let remembered = cx.machine.succeed(&list)?.replace('\n', " ");
    let noise = noise(cx)?;
    // For the next interruption.
    cx.machine
        .succeed(&format!("touch {}", ELSEWHERE.join(" ")))?;
    Ok(After {
        what,
        login: login.as_secs_f64(),
        state,
        remembered,
        noise,
    })
}

fn noise(cx: &mut Context) -> Result<Vec<String>> {
    // The boot is over when its last job is.
    let state = cx.machine.settle()?;
    let mut noise = cx.bad_lines()?;
    if !state.ok() {
        let failed = cx
            .machine
            .succeed("systemctl list-units --failed --plain --no-legend | cut -d' ' -f1")?;
        noise.push(format!("{}: {}", state.text, failed.replace('\n', ", ")));
    }
    Ok(noise)
}

fn state(cx: &mut Context) -> Result<State> {
    let outputs = cx.machine.exec(&[
        &format!("sha256sum < {DATA}"),
        "cat /etc/machine-id",
        "findmnt -no UUID --mountpoint /persist",
    ])?;
    let text = |index: usize| outputs[index].text.trim().to_string();
    Ok(State {
        host_keys: host_keys(cx)?,
        data: text(0),
        machine_id: text(1),
        file_system: text(2),
    })
}

/// Begins to write numbered records, each synced before the next.
pub(super) fn start_writing(cx: &mut Context) -> Result<()> {
    let write = format!(
        "n=0; while :; do n=$((n+1)); printf 'record %08d of the durability test\\n' $n >> {RECORDS}; sync {RECORDS}; echo $n > /run/synced; done"
    );
    cx.machine.succeed(&format!(
        "rm -f {RECORDS} /run/synced; nohup sh -c \"{}\" >/dev/null 2>&1 &",
        write.replace('$', "\\$")
    ))?;
    Ok(())
}

/// How many records are synced by now.
pub(super) fn synced(cx: &mut Context) -> Result<u64> {
    for _ in 0..20 {
        let outputs = cx.machine.exec(&["cat /run/synced"])?;
        // Whoever reads while it is written anew finds nothing.
        if let Ok(synced) = outputs[0].text.trim().parse() {
            return Ok(synced);
        }
        pause(Duration::from_millis(100))?;
    }
    bail!("nothing was written")
}

/// How many records there are from the first one on, without a gap or a damage.
pub(super) fn whole_records(text: &str) -> u64 {
    (1..)
        .zip(text.lines())
        .take_while(|(number, line)| *line == format!("record {number:08} of the durability test"))
        .count() as u64
}

/// The server's host keys as a client sees them: one login for each configured key, which then is the only kind that the
/// client accepts. (ssh-keyscan would do it too, but servers hold connections without a login against the client.)
pub(super) fn host_keys(cx: &mut Context) -> Result<BTreeSet<String>> {
    let server = cx.machine.server()?;
    let owner = cx.machine.login().key.clone();
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
pub fn identity_survives(cx: &mut Context) -> Result<Finding> {
    let promised = cx.contract.ssh.host_keys.len();
    let durability = durability(cx)?;
    let before = &durability.before.host_keys;
    let mut faults = Vec::new();
    if before.len() != promised {
        faults.push(format!(
            "the server shows {} host keys, {promised} are configured",
            before.len()
        ));
    }
    for after in &durability.after {
        if after.state.host_keys != *before {
            faults.push(format!("other host keys after {}", after.what));
        }
    }
    let logins: Vec<String> = durability
        .after
        .iter()
        .map(|after| format!("{} ({:.1} s to login)", after.what, after.login))
        .collect();
    let kept = format!("the same {} keys after {}", before.len(), logins.join(", "));
    Ok(Finding::from_faults(&faults, kept))
}

/// What was kept over `what`, or why not.
fn kept(durability: &Durability, what: &str) -> Vec<String> {
    let before = &durability.before;
    let Some(after) = durability.after.iter().find(|after| after.what == what) else {
        return vec![format!("there was no {what}")];
    };
    let mut faults = Vec::new();
    for (thing, before, now) in [
        ("data", &before.data, &after.state.data),
        ("machine-id", &before.machine_id, &after.state.machine_id),
        ("file system", &before.file_system, &after.state.file_system),
    ] {
        if now != before {
            faults.push(format!(
                "after {what} the {thing} is {now:?}, it was {before:?}"
            ));
        }
    }
    faults
}

/// `boot.comes-back-quietly`
pub fn comes_back_quietly(cx: &mut Context) -> Result<Finding> {
    let after = &durability(cx)?.after;
    let faults: Vec<String> = after
        .iter()
        .filter(|after| !after.noise.is_empty())
        .map(|after| format!("after {}: {}", after.what, after.noise.join(", ")))
        .collect();
    let times: Vec<&str> = after.iter().map(|after| after.what).collect();
    Ok(Finding::from_faults(
        &faults,
        format!("quiet after {}", times.join(", ")),
    ))
}

/// `persist.survives-power-cut`
pub fn survives_power_cut(cx: &mut Context) -> Result<Finding> {
    let durability = durability(cx)?;
    let mut faults = kept(durability, "a power cut");
    if durability.found < durability.synced {
        faults.push(format!(
            "{} of {} synced records are left",
            durability.found, durability.synced
        ));
    }
    Ok(Finding::from_faults(
        &faults,
        format!(
            "4 MiB the same; {} records found, {} had been synced",
            durability.found, durability.synced
        ),
    ))
}

/// `persist.survives-reflash`
pub fn survives_reflash(cx: &mut Context) -> Result<Finding> {
    let faults = kept(durability(cx)?, "a reflash");
    Ok(Finding::from_faults(
        &faults,
        "4 MiB, machine-id and file system the same",
    ))
}

/// `persist.forgets-the-rest`
pub fn forgets_the_rest(cx: &mut Context) -> Result<Finding> {
    let faults: Vec<String> = durability(cx)?
        .after
        .iter()
        .filter(|after| !after.remembered.is_empty())
        .map(|after| format!("after {} there is still {}", after.what, after.remembered))
        .collect();
    Ok(Finding::from_faults(
        &faults,
        format!("{} gone after each restart", ELSEWHERE.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_up_to_the_first_damage() {
        let record = |number| format!("record {number:08} of the durability test\n");
        let whole: String = (1..=3).map(record).collect();
        assert_eq!(whole_records(&whole), 3);
        assert_eq!(whole_records(&format!("{whole}record 0000")), 3);
        assert_eq!(whole_records(&(record(1) + &record(3))), 1);
        assert_eq!(whole_records(""), 0);
    }
}
