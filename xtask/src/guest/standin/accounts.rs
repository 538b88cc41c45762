//! Users and groups: the recorded ones merged into Debian's, as NixOS does it when it starts.

use std::collections::BTreeMap;

use anyhow::Result;

use super::archive::Archive;
use super::base::Base;
use crate::contract::{User, Users};

/// The first numbers for groups and users that Debian lacks, as on NixOS.
const FIRST_GROUP: u32 = 400;
const FIRST_USER: u32 = 1000;

pub fn add(archive: &mut Archive, users: &Users, base: &Base) -> Result<()> {
    let accounts = &users.accounts;
    let groups = groups(&base.fact("group")?, accounts);
    archive.file(
        "/etc/passwd",
        passwd(&base.fact("passwd")?, &groups, accounts),
    );
    archive.file("/etc/group", &groups);
    archive.file_with_mode(
        "/etc/shadow",
        0o640,
        shadow(&base.fact("shadow")?, accounts),
    );
    archive.file_with_mode(
        "/etc/sudoers.d/wheel",
        0o440,
        sudoers(users.sudo.wheel_needs_password),
    );
    for (name, user) in accounts {
        if !user.authorized_keys.is_empty() {
            let keys = user.authorized_keys.join("\n") + "\n";
            archive.file(&format!("/etc/ssh/authorized_keys.d/{name}"), keys);
        }
    }
    let homes = accounts
        .iter()
        .filter(|(_, user)| user.home.starts_with("/home/"));
    let lines: String = homes
        .map(|(name, user)| format!("d {} 0700 {name} {} - -\n", user.home, user.group))
        .collect();
    archive.file("/etc/tmpfiles.d/homes.conf", lines);
    Ok(())
}

/// The number of `group` in the lines of group(5).
fn group_number(groups: &str, group: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
    })
}

fn groups(debian: &str, accounts: &BTreeMap<String, User>) -> String {
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, user) in accounts {
        members.entry(&user.group).or_default();
        for group in &user.extra_groups {
            members.entry(group).or_default().push(name);
        }
    }
    let mut text: String = debian
        .lines()
        .map(
            |line| match members.remove(line.split(':').next().unwrap_or_default()) {
                Some(names) if !names.is_empty() => {
                    let separator = if line.ends_with(':') { "" } else { "," };
                    format!("{line}{separator}{}\n", names.join(","))
                }
                _ => format!("{line}\n"),
            },
        )
        .collect();
    for (number, (group, names)) in (FIRST_GROUP..).zip(members) {
        text += &format!("{group}:x:{number}:{}\n", names.join(","));
    }
    text
}

fn passwd(debian: &str, groups: &str, accounts: &BTreeMap<String, User>) -> String {
    let mut text = without(debian, accounts);
    let mut next = FIRST_USER;
    for (name, user) in accounts {
        let number = user.uid.unwrap_or_else(|| {
            while accounts.values().any(|other| other.uid == Some(next)) {
                next += 1;
            }
            next += 1;
            next - 1
        });
        let group = group_number(groups, &user.group).unwrap_or(number);
        text += &format!(
            "{name}:x:{number}:{group}::{}:{}\n",
            user.home,
            shell(&user.shell)
        );
    }
    text
}

fn shadow(debian: &str, accounts: &BTreeMap<String, User>) -> String {
    let mut text = without(debian, accounts);
    for (name, user) in accounts {
        text += &format!(
            "{name}:{}:1::::::\n",
            user.hashed_password.as_deref().unwrap_or("!")
        );
    }
    text
}

/// Debian's lines without the recorded accounts.
fn without(debian: &str, accounts: &BTreeMap<String, User>) -> String {
    let others = debian
        .lines()
        .filter(|line| !accounts.contains_key(line.split(':').next().unwrap_or_default()));
    others.map(|line| format!("{line}\n")).collect()
}

fn shell(name: &str) -> String {
    match name {
        "nologin" | "shadow" => "/usr/sbin/nologin".to_string(),
        name => format!("/usr/bin/{name}"),
    }
}

fn sudoers(wheel_needs_password: bool) -> String {
    let tag = if wheel_needs_password {
        ""
    } else {
        "NOPASSWD: "
    };
    format!("%wheel ALL=(ALL:ALL) {tag}SETENV: ALL\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> BTreeMap<String, User> {
        serde_json::from_value(serde_json::json!({
            "root": { "uid": 0, "home": "/root", "shell": "zsh", "group": "root", "extraGroups": [],
                      "hashedPassword": "!", "authorizedKeys": [] },
            "owner": { "uid": null, "home": "/home/owner", "shell": "zsh", "group": "users", "authorizedKeys": [],
                       "extraGroups": ["docker", "networkmanager", "wheel"], "hashedPassword": null }
        }))
        .unwrap()
    }

    #[test]
    fn members_are_added_and_missing_groups_made() {
        let text = groups("root:x:0:\nusers:x:100:\ndocker:x:102:other\n", &accounts());
        assert_eq!(
            text,
            "root:x:0:\nusers:x:100:\ndocker:x:102:other,owner\nnetworkmanager:x:400:owner\nwheel:x:401:owner\n"
        );
    }

    #[test]
    fn recorded_accounts_replace_debians() {
        let groups = "root:x:0:\nusers:x:100:\n";
        let text = passwd(
            "root:x:0:0:root:/root:/bin/bash\nsshd:x:991:65534::/run/sshd:/usr/sbin/nologin\n",
            groups,
            &accounts(),
        );
        assert_eq!(
            text,
            "sshd:x:991:65534::/run/sshd:/usr/sbin/nologin\nowner:x:1000:100::/home/owner:/usr/bin/zsh\nroot:x:0:0::/root:/usr/bin/zsh\n"
        );
        assert_eq!(
            shadow("root:*:2:0:99999:7:::\n", &accounts()),
            "owner:!:1::::::\nroot:!:1::::::\n"
        );
    }

    #[test]
    fn sudo_follows_the_record() {
        assert_eq!(
            sudoers(false),
            "%wheel ALL=(ALL:ALL) NOPASSWD: SETENV: ALL\n"
        );
        assert_eq!(sudoers(true), "%wheel ALL=(ALL:ALL) SETENV: ALL\n");
    }
}
