//! Makes the three interruptions, and reads the state after each.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use vm::process::pause;

use super::DATA;
use super::clock_at_shutdown::{self, ClockAtShutdown};
use super::records::{RECORDS, start_writing, synced, whole_records};
use crate::disk_fixtures::Emptied;
use crate::scenario::{Context, systemd};

/// Files on no partition that persists.
pub const ELSEWHERE: &[&str] = &["/etc/forgotten", "/var/lib/forgotten", "/root/forgotten"];
/// How long records are written before the power is cut.
const WRITING: Duration = Duration::from_secs(2);

/// For filling PERSIST.
const FILLING: Duration = Duration::from_secs(300);

/// What comes between two boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    Reboot,
    PowerCut,
    Reflash,
}

impl Interruption {
    /// With its article, for evidence.
    pub fn words(self) -> &'static str {
        match self {
            Interruption::Reboot => "a reboot",
            Interruption::PowerCut => "a power cut",
            Interruption::Reflash => "a reflash",
        }
    }
}

/// A machine's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// As a client sees them.
    pub host_keys: BTreeSet<String>,
    /// SHA-256 of [`DATA`].
    pub data: String,
    pub machine_id: String,
    /// UUID of PERSIST's file system.
    pub file_system: String,
    /// Mode, owner and name of what locks someone out if others may write or read it.
    pub rights: String,
}

/// The machine after one interruption.
#[derive(Debug, Clone)]
pub struct After {
    pub interruption: Interruption,
    /// Seconds from power on.
    pub login: f64,
    pub state: State,
    /// Those of [`ELSEWHERE`] that are still there.
    pub remembered: String,
    /// Failed units, and known-bad lines on the console.
    pub noise: Vec<String>,
}

/// What all promises about durability are judged by.
#[derive(Debug, Clone)]
pub struct Durability {
    pub before: State,
    pub after: Vec<After>,
    /// How many records were synced when the power was cut.
    pub synced: u64,
    /// How many whole records were found after that.
    pub found: u64,
    pub clock: ClockAtShutdown,
    pub emptied: Emptied,
}

/// Fills PERSIST to its last block. The room that is left again is near its beginning.
const FILL: &str = "fallocate -l 64M /persist/room && sync && { yes 'every byte' > /persist/filler; sync; rm /persist/room; sync; }";
/// What an owner does who wants to write to /persist.
const OPEN_ALL: &str =
    "chmod -R 777 /persist && chown -R 1000 /persist/ssh /persist/network /persist && sync";
/// Rights and owners of what locks someone out.
const RIGHTS: &str = "cd /persist && stat -c '%a %u %n' . home ssh ssh/* network network/* images docker; stat -c '%a %n' home/*/";

pub fn gather(cx: &mut Context) -> Result<Durability> {
    let elsewhere = ELSEWHERE.join(" ");
    cx.machine.succeed(&format!(
        "dd if=/dev/urandom of={DATA} bs=1M count=4 2>/dev/null && sync {DATA} && touch {elsewhere}"
    ))?;
    let before = state(cx)?;
    let mut after = Vec::new();

    let set = clock_at_shutdown::set(cx)?;
    let reboot = cx.machine.reboot()?;
    let clock = set.at_shutdown(&reboot)?;
    after.push(look(cx, Interruption::Reboot, reboot.login)?);

    start_writing(cx)?;
    pause(WRITING)?;
    let synced = synced(cx)?;
    cx.machine.power_cut();
    let login = cx.machine.boot()?;
    // A missing file has no whole record: that is a finding, and no reason to stop here.
    let [records] = cx.exec([&format!("cat {RECORDS}")])?;
    let found = whole_records(&records.text);
    after.push(look(cx, Interruption::PowerCut, login)?);

    cx.machine.exec_within(&[OPEN_ALL, FILL], FILLING)?;
    cx.machine.power_cut();
    let emptied = cx.disks.empty_and_reflash()?;
    let login = cx.machine.boot()?;
    cx.machine.succeed("rm /persist/filler")?;
    after.push(look(cx, Interruption::Reflash, login)?);
    Ok(Durability {
        emptied,
        before,
        after,
        synced,
        found,
        clock,
    })
}

fn look(cx: &mut Context, interruption: Interruption, login: Duration) -> Result<After> {
    let state = state(cx).with_context(|| format!("after {}", interruption.words()))?;
    let elsewhere = ELSEWHERE.join(" ");
    let remembered = cx
        .machine
        .succeed(&format!("ls -d {elsewhere} 2>/dev/null; true"))?
        .replace('\n', " ");
    let noise = noise(cx)?;
    // For the next interruption.
    cx.machine.succeed(&format!("touch {elsewhere}"))?;
    Ok(After {
        interruption,
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
        let failed = cx.machine.succeed(systemd::FAILED_UNITS)?;
        noise.push(format!("{}: {}", state.text, failed.replace('\n', ", ")));
    }
    Ok(noise)
}

fn state(cx: &mut Context) -> Result<State> {
    let [data, machine_id, file_system, rights] = cx
        .exec([
            &format!("sha256sum < {DATA}"),
            "cat /etc/machine-id",
            "findmnt -no UUID --mountpoint /persist",
            RIGHTS,
        ])?
        .map(|output| output.text.trim().to_string());
    Ok(State {
        host_keys: host_keys(cx)?,
        data,
        machine_id,
        file_system,
        rights,
    })
}

/// The server's host keys as a client sees them: one login per configured key, of the only type that the client accepts.
/// (ssh-keyscan would need fewer connections, but servers hold connections without a login against the client.)
pub fn host_keys(cx: &mut Context) -> Result<BTreeSet<String>> {
    let server = cx.machine.server()?;
    let owner = &cx.machine.login().key;
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
                .host_key(&algorithm, owner)
                .with_context(|| format!("the host key {}", key.path))
        })
        .collect()
}
