//! `system.identity`: the machine is the one that was configured.

mod boot_entries;
pub mod clock;
pub mod disks;
mod judge;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};

use self::judge::judge;
use super::{Context, Finding};
use crate::contract::Contract;

/// One command on the console, under emulation.
const CONSOLE: Duration = Duration::from_secs(60);

/// Typed on the console, where the owner is logged in automatically.
const ON_CONSOLE: &str = "id -un; echo shell=$0; sudo -n true && echo sudo=free";

/// Prints the target of /etc/localtime. A zone that does not exist is silently taken for UTC.
const TIME_ZONE: &str =
    "echo \"$(readlink /etc/localtime)$([ -e /etc/localtime ] || echo ' (no such zone)')\"";

/// Prints a setting of zsh's global start-up file, wherever this zsh looks for it.
const ZSH_HISTORY: &str = "for rc in /etc/zshrc /etc/zsh/zshrc; do \
     if [ -e $rc ]; then zsh -fic \". $rc; echo HISTORY=\\$HISTSIZE\"; break; fi; done 2>/dev/null";

/// The contract's expectations.
#[derive(Debug)]
struct Expected {
    host_name: String,
    time_zone: String,
    key_map: String,
    /// The owner's account.
    user: String,
    uid: Option<u32>,
    home: String,
    /// The shell's program, without its folder.
    shell: String,
    /// Primary and supplementary groups.
    groups: BTreeSet<String>,
    /// sudo asks for no password.
    free_sudo: bool,
    /// Lines of zsh's history.
    history: u32,
    /// The user whom the console logs in without a password.
    autologin: Option<String>,
}

impl Expected {
    fn new(contract: &Contract, user: &str) -> Result<Self> {
        let account = contract
            .users
            .accounts
            .get(user)
            .cloned()
            .with_context(|| format!("the configuration has no user {user}"))?;
        Ok(Expected {
            host_name: contract.system.host_name.clone(),
            time_zone: contract.system.time_zone.clone(),
            key_map: contract.system.key_map.clone(),
            user: user.to_string(),
            uid: account.uid,
            home: account.home,
            shell: account.shell,
            groups: account
                .extra_groups
                .into_iter()
                .chain([account.group])
                .collect(),
            free_sudo: !contract.users.sudo.wheel_needs_password,
            history: contract.users.zsh.hist_size,
            autologin: contract.system.autologin.user.clone(),
        })
    }
}

#[derive(Debug, Clone)]
enum Facts {
    /// The console gave no shell; why.
    NoConsole(String),
    /// sudo asks for a password, so nothing could be read as root; the console's output.
    SudoAsks(String),
    All(Identity),
}

/// What the machine says about itself.
#[derive(Debug, Clone)]
struct Identity {
    /// The output of [`ON_CONSOLE`]; empty without automatic login.
    console: String,
    host_name: String,
    /// The output of [`TIME_ZONE`].
    time_zone: String,
    /// /etc/vconsole.conf
    keyboard: String,
    /// The owner's line of passwd(5).
    passwd: String,
    /// The owner's groups, with spaces between them.
    groups: String,
    /// The first character of the owner's and root's password hashes, without repetition.
    passwords: String,
    /// `free` where sudo asks for no password.
    sudo: String,
    /// The output of [`ZSH_HISTORY`].
    history: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    let expected = Expected::new(cx.contract, &cx.machine.login().user)?;
    let facts = gather(cx, &expected)?;
    Ok(judge(&facts, &expected))
}

fn gather(cx: &mut Context, expected: &Expected) -> Result<Facts> {
    // The console first: where sudo asks for a password, nothing else can be read as root.
    let mut console = String::new();
    if expected.autologin.is_some() {
        console = match cx.machine.console()?.run(ON_CONSOLE, CONSOLE) {
            Ok(output) => output,
            Err(error) => return Ok(Facts::NoConsole(cx.explain(error)?)),
        };
        if expected.free_sudo && !has_line(&console, "sudo=free") {
            return Ok(Facts::SudoAsks(console));
        }
    }
    let name = &expected.user;
    let [
        host_name,
        time_zone,
        keyboard,
        passwd,
        groups,
        passwords,
        sudo,
        history,
    ] = cx
        .exec([
            "cat /proc/sys/kernel/hostname",
            TIME_ZONE,
            "cat /etc/vconsole.conf",
            &format!("getent passwd {name}"),
            &format!("id -Gn {name}"),
            &format!("getent shadow {name} root | cut -d: -f2 | cut -c1 | sort -u"),
            &format!("sudo -n -u {name} sudo -n true && echo free"),
            ZSH_HISTORY,
        ])?
        .map(|output| output.text);
    Ok(Facts::All(Identity {
        console,
        host_name,
        time_zone,
        keyboard,
        passwd,
        groups,
        passwords,
        sudo,
        history,
    }))
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|one| one.trim() == line)
}
