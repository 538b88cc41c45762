//! From power on to a quiet machine.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Context, Finding, login_banner};
use vm::process::check_interrupt;

/// Until a unit that is tried again after the boot's last job has noticed what it misses.
const NOTICED: Duration = Duration::from_secs(30);
/// How often to look: a login shell is much work for an emulated machine, and takes time from what is waited for.
const LOOK: Duration = Duration::from_secs(2);
/// Shell on the console, under emulation.
const CONSOLE: Duration = Duration::from_secs(60);

/// `boot.reaches-target`
pub fn reaches_target(cx: &mut Context) -> Result<Finding> {
    let start = Instant::now();
    // --wait ends when the queue of jobs is empty; the state says whether any unit has failed.
    let state = cx.machine.settle()?.text;
    cx.machine.settled(start.elapsed());
    let outputs = cx.machine.exec(&[
        "systemctl list-units --failed --plain --no-legend | cut -d' ' -f1",
        "systemctl show '*.service' --property=Id,NRestarts",
        "systemctl is-active multi-user.target",
        "journalctl -b --no-pager -o cat --grep 'ordering cycle' | head -3",
    ])?;
    let mut faults = Vec::new();
    let failed: Vec<&str> = outputs[0].text.split_whitespace().collect();
    for unit in &failed {
        let journal = cx
            .machine
            .exec(&[&format!(
                "journalctl -b --no-pager -o cat -u '{unit}' | tail -4"
            )])?
            .remove(0)
            .text;
        faults.push(format!(
            "{unit} has failed: {}",
            journal.replace('\n', " | ")
        ));
    }
    // A unit that restarts for ever is never "failed".
    faults.extend(restarting(&outputs[1].text));
    if outputs[2].text != "active" {
        faults.push(format!("multi-user.target is {}", outputs[2].text));
    }
    if state != "running" && failed.is_empty() {
        faults.push(format!("the system is {state}"));
    }
    if !outputs[3].text.is_empty() && outputs[3].ok() {
        faults.push(format!(
            "ordering cycle: {}",
            outputs[3].text.replace('\n', " | ")
        ));
    }
    faults.extend(cx.bad_lines()?);
    let took = cx.boot.map_or(0.0, |boot| boot.as_secs_f64());
    Ok(Finding::from_faults(
        &faults,
        format!("{state}, 0 failed, 0 restarted; login after {took:.1} s"),
    ))
}

/// systemd stops the initrd's journal when it switches to the real root, and counts the journal's next start as one restart.
const RESTARTED_BY_SWITCH_ROOT: &str = "systemd-journald.service";

/// Units that systemd had to start again, out of blocks of `Id=` and `NRestarts=` lines.
fn restarting(show: &str) -> Vec<String> {
    show.split("\n\n")
        .filter_map(|block| {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let unit = field("Id=").unwrap_or("?");
            let restarts: u32 = field("NRestarts=")?.parse().ok()?;
            let by_design = u32::from(unit == RESTARTED_BY_SWITCH_ROOT);
            (restarts > by_design).then(|| format!("{unit} was restarted {restarts} times"))
        })
        .collect()
}

/// `boot.no-drives`
pub fn no_drives(cx: &mut Context) -> Result<Finding> {
    // Nobody's key is on a machine without PERSIST: the console is the way in, as for its owner.
    let key = cx.machine.login().key.public.clone();
    let console = cx.machine.console()?;
    let plant =
        format!("mkdir -p -m 700 ~/.ssh && echo '{key}' >> ~/.ssh/authorized_keys && echo planted");
    let said = console.run(&plant, CONSOLE)?;
    if !said.contains("planted") {
        bail!("no shell on the console, it said: {said}");
    }
    let server = cx.machine.server()?;
    let mut faults = Vec::new();
    if !cx.owner_gets_in(&server)? {
        faults.push("the key in ~/.ssh/authorized_keys was refused".to_string());
        return Ok(Finding::from_faults(&faults, ""));
    }
    // The models drive is waited for, after Docker has started.
    cx.machine.settle()?;
    let persist = cx.contract.persist.mount_point.clone();
    let touch = format!("touch {persist}/probe && rm {persist}/probe");
    let findmnt = format!("findmnt -no FSTYPE --mountpoint {persist}");
    let outputs = cx.machine.exec(&[
        &findmnt,
        &touch,
        "systemctl list-units --failed --plain --no-legend",
    ])?;
    if outputs[0].text != "tmpfs" {
        faults.push(format!(
            "{persist} is not in memory but {:?}",
            outputs[0].text
        ));
    }
    if !outputs[1].ok() {
        faults.push(format!("{persist} is not writable: {}", outputs[1].text));
    }
    if !outputs[2].text.is_empty() {
        faults.push(format!("failed: {}", outputs[2].text.replace('\n', " | ")));
    }
    faults.extend(cx.bad_lines()?);
    let drive = cx.contract.models.drive.clone().unwrap_or_default();
    let (banner, unsaid) = banner_without(cx, &["NOTHING IS KEPT", &drive])?;
    for words in unsaid {
        faults.push(format!("the login banner does not say {words:?}: {banner}"));
    }
    let took = cx.boot.map_or(0.0, |boot| boot.as_secs_f64());
    Ok(Finding::from_faults(
        &faults,
        format!("login after {took:.1} s; says: {banner}"),
    ))
}

/// The login banner on one line, and which of `words` it does not have even after a while.
fn banner_without<'a>(cx: &mut Context, words: &[&'a str]) -> Result<(String, Vec<&'a str>)> {
    let command = login_banner(&cx.machine.login().user);
    let start = Instant::now();
    loop {
        check_interrupt()?;
        let banner = cx.machine.exec(&[&command])?.remove(0).text;
        let mut unsaid = words.to_vec();
        unsaid.retain(|words| !banner.contains(words));
        if unsaid.is_empty() || start.elapsed() > NOTICED {
            return Ok((banner.replace('\n', " | "), unsaid));
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_counted_by_unit() {
        let show =
            "Id=a.service\nNRestarts=0\n\nNRestarts=20\nId=docker-ollama.service\n\nId=c.service";
        assert_eq!(
            restarting(show),
            ["docker-ollama.service was restarted 20 times"]
        );
    }
}
