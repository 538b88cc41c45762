//! `boot.no-drives`

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use vm::process::pause;

use crate::scenario::{Context, Finding, login_banner, one_line, systemd};

/// Until a unit that systemd retries after the boot's last job has noticed the missing drive.
const NOTICED: Duration = Duration::from_secs(30);
/// How often the banner is read: a login shell is much work for an emulated machine, and slows down the units that the banner
/// waits for.
const POLL: Duration = Duration::from_secs(2);
/// One command on the console, under emulation.
const CONSOLE: Duration = Duration::from_secs(60);
/// The banner's words for a missing PERSIST, and for its cause here.
const NOTHING_IS_KEPT: &str = "NOTHING IS KEPT";
const TOO_SMALL: &str = "is the stick too small?";

/// A machine with neither PERSIST nor models drive.
#[derive(Debug, Clone)]
struct Facts {
    /// The file system's type at PERSIST's mount point.
    file_system: String,
    /// Why a file could not be written there.
    write_error: Option<String>,
    /// Failed units, one per line.
    failed: String,
    /// Known-bad lines on the console.
    bad_lines: Vec<String>,
    /// The login banner, once it had all expected words, or after [`NOTICED`].
    banner: String,
    /// Seconds from power on.
    login: f64,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    let facts = gather(cx)?;
    let drive = cx.contract.models.drive.as_deref().unwrap_or_default();
    let persist = &cx.contract.persist.mount_point;
    Ok(judge(
        facts.as_ref(),
        persist,
        &[NOTHING_IS_KEPT, TOO_SMALL, drive],
    ))
}

/// `None`: the owner's key was refused, so there was no root shell to look with.
fn gather(cx: &mut Context) -> Result<Option<Facts>> {
    // Without PERSIST the machine has no key. Its owner would add one on the console.
    let key = cx.machine.login().key.public.clone();
    let add_key =
        format!("mkdir -p -m 700 ~/.ssh && echo '{key}' >> ~/.ssh/authorized_keys && echo planted");
    let printed = cx.machine.console()?.run(&add_key, CONSOLE)?;
    if !printed.contains("planted") {
        bail!("no shell on the console, it printed: {printed}");
    }
    let server = cx.machine.server()?;
    if !cx.owner_key_accepted(&server)? {
        return Ok(None);
    }
    // The models drive is waited for, after Docker has started.
    cx.machine.settle()?;
    let persist = &cx.contract.persist.mount_point;
    let [file_system, write, failed] = cx.exec([
        &format!("findmnt -no FSTYPE --mountpoint {persist}"),
        &format!("touch {persist}/probe && rm {persist}/probe"),
        systemd::FAILED_UNITS,
    ])?;
    let bad_lines = cx.bad_lines()?;
    let drive = cx.contract.models.drive.as_deref().unwrap_or_default();
    Ok(Some(Facts {
        file_system: file_system.text,
        write_error: (!write.ok()).then_some(write.text),
        failed: failed.text,
        bad_lines,
        banner: wait_for_banner(cx, &[NOTHING_IS_KEPT, TOO_SMALL, drive])?,
        login: cx.login_seconds(),
    }))
}

/// The login banner, once it has all of `words`, or after [`NOTICED`].
fn wait_for_banner(cx: &mut Context, words: &[&str]) -> Result<String> {
    let command = login_banner(&cx.machine.login().user);
    let start = Instant::now();
    loop {
        let [banner] = cx.exec([&command])?;
        let complete = words.iter().all(|words| banner.text.contains(words));
        if complete || start.elapsed() > NOTICED {
            return Ok(banner.text);
        }
        pause(POLL)?;
    }
}

fn judge(facts: Option<&Facts>, persist: &str, words: &[&str]) -> Finding {
    let Some(facts) = facts else {
        return Finding::Broken("the key in ~/.ssh/authorized_keys was refused".to_string());
    };
    let mut faults = Vec::new();
    if facts.file_system != "tmpfs" {
        faults.push(format!(
            "{persist} is not in memory but {:?}",
            facts.file_system
        ));
    }
    if let Some(error) = &facts.write_error {
        faults.push(format!("{persist} is not writable: {error}"));
    }
    faults.extend(systemd::failed(&facts.failed));
    faults.extend(facts.bad_lines.iter().cloned());
    let banner = one_line(&facts.banner);
    let missing = words.iter().filter(|words| !facts.banner.contains(**words));
    faults
        .extend(missing.map(|words| format!("the login banner does not say {words:?}: {banner}")));
    let kept = format!("login after {:.1} s; says: {banner}", facts.login);
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    const WORDS: &[&str] = &["NOTHING IS KEPT", "LABEL=Models"];

    fn good() -> Facts {
        Facts {
            file_system: "tmpfs".to_string(),
            write_error: None,
            failed: String::new(),
            bad_lines: Vec::new(),
            banner: "NOTHING IS KEPT\nno drive LABEL=Models".to_string(),
            login: 5.0,
        }
    }

    fn judge_some(facts: &Facts) -> Finding {
        judge(Some(facts), "/persist", WORDS)
    }

    #[test]
    fn kept_when_the_banner_names_both_drives() {
        assert_kept(
            judge_some(&good()),
            "login after 5.0 s; says: NOTHING IS KEPT | no drive LABEL=Models",
        );
    }

    #[test]
    fn a_refused_key_breaks_it() {
        assert_eq!(
            judge(None, "/persist", WORDS),
            Finding::Broken("the key in ~/.ssh/authorized_keys was refused".to_string())
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge_some,
            &[
                (
                    |facts| facts.file_system = String::new(),
                    "/persist is not in memory but \"\"",
                ),
                (
                    |facts| facts.write_error = Some("Read-only file system".to_string()),
                    "/persist is not writable: Read-only file system",
                ),
                (
                    |facts| facts.failed = "mnt-models.mount".to_string(),
                    "failed: mnt-models.mount",
                ),
                (
                    |facts| facts.bad_lines = vec!["failed unit: x".to_string()],
                    "failed unit: x",
                ),
                (
                    |facts| facts.banner = "no drive LABEL=Models".to_string(),
                    "the login banner does not say \"NOTHING IS KEPT\": no drive LABEL=Models",
                ),
                (
                    |facts| facts.banner = "NOTHING IS KEPT".to_string(),
                    "the login banner does not say \"LABEL=Models\": NOTHING IS KEPT",
                ),
                (
                    |facts| facts.banner = String::new(),
                    "the login banner does not say \"NOTHING IS KEPT\": ; \
                     the login banner does not say \"LABEL=Models\": ",
                ),
            ],
        );
    }
}
