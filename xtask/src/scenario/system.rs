//! The machine is the one that was configured.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Context, Finding};
use vm::Ended;
use vm::process::check_interrupt;

const CONSOLE: Duration = Duration::from_secs(60);

/// What whoever sits at the console asks.
const ON_CONSOLE: &str = "id -un; echo shell=$0; sudo -n true && echo sudo=free";

/// What zsh's global start-up file sets, wherever this zsh looks for it.
const ZSH_HISTORY: &str = "for rc in /etc/zshrc /etc/zsh/zshrc; do \
     if [ -e $rc ]; then zsh -fic \". $rc; echo HISTORY=\\$HISTSIZE\"; break; fi; done 2>/dev/null";

/// `system.identity`
pub fn identity(cx: &mut Context) -> Result<Finding> {
    let contract = cx.contract;
    let name = cx.machine.login().user.clone();
    let accounts = contract.users.accounts();
    let user = accounts
        .get(&name)
        .with_context(|| format!("the configuration has no user {name}"))?;
    // The console first: where sudo asks for a password, nothing else can be asked as root.
    let autologin = contract.system.autologin.user.clone();
    let console = match &autologin {
        Some(owner) => match cx.machine.console()?.run(ON_CONSOLE, CONSOLE) {
            Ok(said) => said,
            Err(error) => {
                check_interrupt()?;
                let error = cx.machine.blame(error);
                if error.is::<Ended>() {
                    return Err(error);
                }
                return Ok(Finding::Broken(format!(
                    "{owner} has no shell on the console: {error:#}"
                )));
            }
        },
        None => String::new(),
    };
    let says = |line: &str| console.lines().any(|said| said.trim() == line);
    if autologin.is_some() && !contract.users.sudo.wheel_needs_password && !says("sudo=free") {
        return Ok(Finding::Broken(format!(
            "sudo without a password: {console}"
        )));
    }
    let outputs = cx.machine.exec(&[
        "cat /proc/sys/kernel/hostname",
        "readlink /etc/localtime",
        "cat /etc/vconsole.conf",
        &format!("getent passwd {name}"),
        &format!("id -Gn {name}"),
        &format!("getent shadow {name} root | cut -d: -f2 | cut -c1 | sort -u"),
        &format!("sudo -n -u {name} sudo -n true && echo free"),
        ZSH_HISTORY,
    ])?;
    let text = |index: usize| outputs[index].text.as_str();
    let mut faults = Vec::new();
    let mut expect = |what: &str, holds: bool, seen: &str| {
        if !holds {
            faults.push(format!("{what}: {seen}"));
        }
    };
    expect("host name", text(0) == contract.system.host_name, text(0));
    expect(
        "time zone",
        text(1).ends_with(&format!("zoneinfo/{}", contract.system.time_zone)),
        text(1),
    );
    let keymap = |line: &str| line.trim_matches('"') == contract.system.key_map;
    expect(
        "keyboard",
        text(2)
            .lines()
            .filter_map(|line| line.strip_prefix("KEYMAP="))
            .any(keymap),
        text(2),
    );
    let passwd: Vec<&str> = text(3).split(':').collect();
    expect(
        "shell",
        passwd
            .get(6)
            .is_some_and(|shell| shell.ends_with(&format!("/{}", user.shell))),
        text(3),
    );
    expect("home", passwd.get(5) == Some(&user.home.as_str()), text(3));
    // What is on PERSIST belongs to a number, not to a name.
    let number = user.uid.map(|uid| uid.to_string());
    expect(
        "user's number",
        number.is_none() || passwd.get(2).map(|uid| uid.to_string()) == number,
        text(3),
    );
    let groups: BTreeSet<&str> = text(4).split_whitespace().collect();
    let extra = user.extra_groups.iter().map(String::as_str);
    let wanted: BTreeSet<&str> = extra.chain([user.group.as_str()]).collect();
    let missing = wanted
        .difference(&groups)
        .map(|group| format!("not in {group}"));
    let added = groups
        .difference(&wanted)
        .map(|group| format!("in {group} too"));
    let amiss: Vec<String> = missing.chain(added).collect();
    expect("groups", amiss.is_empty(), &amiss.join(", "));
    expect("locked passwords of user and root", text(5) == "!", text(5));
    expect(
        "sudo without a password",
        (text(6) == "free") != contract.users.sudo.wheel_needs_password,
        text(6),
    );
    let history = format!("HISTORY={}", contract.users.zsh.hist_size);
    expect(
        "zsh history",
        text(7).lines().any(|line| line.trim() == history),
        text(7),
    );
    if let Some(owner) = &autologin {
        expect("console", says(owner), &console);
        expect("console's shell", console.contains(&user.shell), &console);
    }
    let kept = format!(
        "{} in {}, {name} in {}; {} on the console",
        text(0),
        contract.system.time_zone,
        text(4),
        autologin.unwrap_or_default()
    );
    Ok(Finding::from_faults(&faults, kept))
}
