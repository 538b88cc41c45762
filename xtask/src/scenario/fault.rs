//! What goes wrong around a machine that is as it should be: drives, the network, the clock, the container.
//!
//! Each check first makes sure that the fault was there: a fault that nothing felt proves nothing.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Context, Finding, ollama};
use crate::disk_fixtures::{BROKEN_ARCHIVE, MODELS, UNREADABLE};
use vm::SETTLE_DEADLINE as SETTLE;
use vm::process::check_interrupt;

/// How often the container is killed: as often as systemd's default allows a unit to be started in 10 s.
const KILLS: usize = 5;
/// How late the DHCP server is. NetworkManager gives up its first attempt after 45 s.
const DHCP_LATE: Duration = Duration::from_secs(60);
/// How long the machine may take to notice that the DHCP server is there: the longest pause between two questions
/// (RFC 2131, section 4.1) and one more attempt of NetworkManager.
const DHCP_NOTICED: Duration = Duration::from_secs(150);
/// A drive that is gone must not hold up whoever looks at it for longer.
const LOOK: Duration = Duration::from_secs(30);

/// `fault.container-killed`
pub fn container_killed(cx: &mut Context) -> Result<Finding> {
    ollama::wait_until_up(cx)?;
    let mut times = Vec::new();
    for kill in 1..=KILLS {
        match ollama::survives_kill(cx)? {
            Ok((_, took)) => times.push(format!("{:.0}", took.as_secs_f64())),
            Err(why) => {
                return Ok(Finding::Broken(format!("after kill {kill}: {why}")));
            }
        }
    }
    Ok(Finding::Kept(format!(
        "answers {} s after each kill",
        times.join(", ")
    )))
}

/// `fault.persist-fills-up`
pub fn persist_fills_up(cx: &mut Context) -> Result<Finding> {
    ollama::wait_until_up(cx)?;
    const BALLAST: &str = "/persist/home/ballast";
    // Root may use what is set aside for root: not a block is free then.
    let fill = format!(
        "fallocate -l $(df --output=avail -B1 /persist | tail -n 1) {BALLAST}; cat /dev/zero >> {BALLAST} 2>/dev/null; sync; \
         df --output=avail -B1 /persist | tail -n 1"
    );
    let free = cx.machine.succeed(&fill)?;
    ensure!(
        free.trim() == "0",
        "PERSIST could not be filled: {free} bytes are free"
    );
    let mut faults = still_reachable(cx)?;
    let outputs = cx.machine.exec(&[
        &format!("rm {BALLAST}; sync; echo kept > /persist/home/probe && cat /persist/home/probe"),
        FAILED,
    ])?;
    if outputs[0].text != "kept" {
        faults.push(format!(
            "with room again it cannot write: {}",
            outputs[0].text
        ));
    }
    faults.extend(failed(&outputs[1].text));
    Ok(Finding::from_faults(
        &faults,
        "with not a byte free: the owner gets in, Ollama answers; with room again it writes",
    ))
}

/// `fault.drive-errors`
pub fn drive_errors(cx: &mut Context) -> Result<Finding> {
    let folder = cx.contract.models.mount_point.clone();
    let outputs = cx.machine.exec(&[
        &format!("cat {folder}/{UNREADABLE} 2>&1 >/dev/null"),
        &format!("cat {folder}/good"),
        FAILED,
    ])?;
    ensure!(
        outputs[0].text.contains("Input/output error"),
        "the bad sector was read: {:?}",
        outputs[0].text
    );
    let mut faults = still_reachable(cx)?;
    if outputs[1].text != "readable" {
        faults.push(format!(
            "another file on the drive is lost: {}",
            outputs[1].text
        ));
    }
    faults.extend(failed(&outputs[2].text));
    Ok(Finding::from_faults(
        &faults,
        format!(
            "{:?} for one file; the others, SSH and Ollama are there",
            outputs[0].text
        ),
    ))
}

/// Waits until everything that systemd does about a lost device is done: a container takes seconds to stop. udev has
/// heard of the device first, then systemd.
const AT_REST: &str = "udevadm settle --timeout=30; sleep 2; \
    for turn in $(seq 60); do [ -n \"$(systemctl list-jobs --no-legend)\" ] || exit 0; sleep 1; done; \
    systemctl list-jobs; exit 1";

/// `fault.drive-pulled`
pub fn drive_pulled(cx: &mut Context) -> Result<Finding> {
    ollama::wait_until_up(cx)?;
    let folder = cx.contract.models.mount_point.clone();
    let unit = cx.contract.ollama.unit.clone();
    let look = format!("timeout {} cat {folder}/good", LOOK.as_secs());
    let before = cx.machine.succeed(&look)?;
    cx.machine.pull(MODELS)?;
    let gone = cx.machine.exec(&["lsblk -nro SERIAL"])?.remove(0).text;
    ensure!(
        !gone.contains(MODELS),
        "the guest still has the models drive: {gone}"
    );
    cx.machine.succeed(AT_REST)?;
    let mut faults = still_reachable(cx)?;
    // Whoever looks at what is gone is told so, and does not hang (timeout ends with 124).
    let looked = cx.machine.exec(&[&look])?.remove(0);
    if looked.status == 124 {
        faults.push(format!("whoever looks into {folder} hangs"));
    }
    cx.machine.plug(MODELS)?;
    cx.machine.succeed("udevadm settle --timeout=30")?;
    cx.machine.succeed(&format!("systemctl restart {unit}"))?;
    if let Err(error) = ollama::version(cx, ollama::UP) {
        faults.push(format!(
            "with the drive plugged in again and Ollama restarted: {error:#}"
        ));
    }
    let after = cx.machine.exec(&[&look])?.remove(0).text;
    if after != before {
        faults.push(format!(
            "with the drive plugged in again the models are not there: {after}"
        ));
    }
    Ok(Finding::from_faults(
        &faults,
        "SSH and Ollama answer without it; plugged in again, a restart of Ollama brings the models back",
    ))
}

/// `fault.no-network`
pub fn no_network(cx: &mut Context) -> Result<Finding> {
    ensure!(
        cx.machine.plugged_in.is_none(),
        "the cable was plugged in before anybody looked"
    );
    let console = cx.machine.console()?;
    let state = console.run("systemctl is-system-running --wait", SETTLE)?;
    let failed_units = console.run(FAILED, LOOK)?;
    let addresses = console.run("ip -4 -o address show scope global | grep -v docker", LOOK)?;
    ensure!(addresses.is_empty(), "it has an address: {addresses}");
    let mut faults: Vec<String> = failed(&failed_units).into_iter().collect();
    if !state.contains("running") {
        faults.push(format!("the system is {state}"));
    }
    if let Err(error) = connect(cx) {
        faults.push(format!(
            "the cable is plugged in, and it is not reachable: {error:#}"
        ));
    }
    Ok(Finding::from_faults(
        &faults,
        "boots without a failed unit, and is reachable once the cable is plugged in",
    ))
}

/// `fault.dhcp-late`
pub fn dhcp_late(cx: &mut Context) -> Result<Finding> {
    let plugged_in = match connect(cx) {
        Ok(plugged_in) => plugged_in,
        Err(error) => return Ok(Finding::Broken(format!("{error:#}"))),
    };
    ensure!(plugged_in.withheld > 0, "no answer was late: nobody asked");
    ensure!(
        plugged_in.took >= DHCP_LATE,
        "it had an address after {:?}, before the server was up",
        plugged_in.took
    );
    Ok(Finding::Kept(format!(
        "reachable {:.0} s after the cable was plugged in, {} answers withheld",
        plugged_in.took.as_secs_f64(),
        plugged_in.withheld
    )))
}

/// `fault.clock-at-1970`
pub fn clock_at_1970(cx: &mut Context) -> Result<Finding> {
    connect(cx)?;
    let outputs = cx
        .machine
        .exec(&["cat /sys/class/rtc/rtc0/date", "date --utc +%F"])?;
    // UEFI's driver of this clock knows no other century than this one: it says 2070.
    ensure!(
        outputs[0].text.ends_with("70-01-01"),
        "the hardware clock says {}",
        outputs[0].text
    );
    let faults = still_reachable(cx)?;
    Ok(Finding::from_faults(
        &faults,
        format!(
            "the hardware clock says {}, the machine {}; the owner gets in, Ollama answers",
            outputs[0].text, outputs[1].text
        ),
    ))
}

/// `fault.archive-corrupt`
pub fn archive_corrupt(cx: &mut Context) -> Result<Finding> {
    connect(cx)?;
    let answer = ollama::version(cx, ollama::UP);
    let unit = cx.contract.ollama.unit.clone();
    let outputs = cx.machine.exec(&[
        &format!("ls /persist/images/{BROKEN_ARCHIVE}"),
        &format!("journalctl -b --no-pager -o cat -u {unit} | grep -m1 {BROKEN_ARCHIVE}.*skipped"),
    ])?;
    ensure!(
        outputs[0].ok(),
        "the archive is not there: {}",
        outputs[0].text
    );
    let mut faults = Vec::new();
    if let Err(error) = answer {
        faults.push(format!("the good archive beside it is not used: {error:#}"));
    }
    if !outputs[1].ok() {
        faults.push("the journal does not name it".to_string());
    }
    Ok(Finding::from_faults(
        &faults,
        format!("says {:?}, and uses the other one", outputs[1].text),
    ))
}

/// The names of failed units, a line each.
const FAILED: &str = "systemctl list-units --failed --plain --no-legend | cut -d' ' -f1";

fn failed(units: &str) -> Option<String> {
    let units = units.trim().replace('\n', ", ");
    (!units.is_empty()).then(|| format!("failed: {units}"))
}

/// Plugs the cable in, into a network whose DHCP server is late; unless somebody has.
fn connect(cx: &mut Context) -> Result<vm::PluggedIn> {
    cx.machine.plug_in(DHCP_LATE, DHCP_NOTICED)
}

/// Whether the owner gets in by a new connection, and Ollama answers.
fn still_reachable(cx: &mut Context) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let server = cx.machine.server()?;
    match cx.owner_gets_in(&server) {
        Ok(true) => {}
        Ok(false) => faults.push("the owner's key is refused".to_string()),
        Err(error) => {
            check_interrupt()?;
            faults.push(format!("the owner does not get in: {error:#}"));
        }
    }
    if let Err(error) = ollama::version(cx, ollama::UP) {
        faults.push(format!("Ollama: {error:#}"));
    }
    Ok(faults)
}
