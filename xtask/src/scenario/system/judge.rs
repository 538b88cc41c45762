//! Compares the machine with the contract.

use std::collections::BTreeSet;

use super::{Expected, Facts, has_line};
use crate::scenario::Finding;

pub fn judge(facts: &Facts, expected: &Expected) -> Finding {
    let facts = match facts {
        Facts::NoConsole(why) => {
            let owner = expected.autologin.as_deref().unwrap_or_default();
            return Finding::Broken(format!("{owner} has no shell on the console: {why}"));
        }
        Facts::SudoAsks(console) => {
            return Finding::Broken(format!("sudo without a password: {console}"));
        }
        Facts::All(identity) => identity,
    };
    let keyboard = facts
        .keyboard
        .lines()
        .filter_map(|line| line.strip_prefix("KEYMAP="))
        .any(|key_map| key_map.trim_matches('"') == expected.key_map);
    let passwd: Vec<&str> = facts.passwd.split(':').collect();
    let field = |index: usize| passwd.get(index).copied().unwrap_or_default();
    let time_zone = format!("zoneinfo/{}", expected.time_zone);
    let shell = format!("/{}", expected.shell);
    // Files on PERSIST belong to a number, not to a name.
    let number = expected.uid.map(|uid| uid.to_string());
    let groups = wrong_groups(&facts.groups, &expected.groups);
    let history = format!("HISTORY={}", expected.history);
    let mut expectations: Vec<(&str, bool, &str)> = vec![
        (
            "host name",
            facts.host_name == expected.host_name,
            &facts.host_name,
        ),
        (
            "time zone",
            facts.time_zone.ends_with(&time_zone),
            &facts.time_zone,
        ),
        ("keyboard", keyboard, &facts.keyboard),
        ("shell", field(6).ends_with(&shell), &facts.passwd),
        ("home", field(5) == expected.home, &facts.passwd),
        (
            "user's number",
            number.is_none_or(|number| number == field(2)),
            &facts.passwd,
        ),
        ("groups", groups.is_empty(), &groups),
        (
            "locked passwords of user and root",
            facts.passwords == "!",
            &facts.passwords,
        ),
        (
            "sudo without a password",
            (facts.sudo == "free") == expected.free_sudo,
            &facts.sudo,
        ),
        (
            "zsh history",
            has_line(&facts.history, &history),
            &facts.history,
        ),
    ];
    if let Some(owner) = &expected.autologin {
        let console = facts.console.as_str();
        expectations.push(("console", has_line(console, owner), console));
        let shell = console.contains(&expected.shell);
        expectations.push(("console's shell", shell, console));
    }
    let faults: Vec<String> = expectations
        .into_iter()
        .filter(|(_, holds, _)| !holds)
        .map(|(name, _, seen)| format!("{name}: {seen}"))
        .collect();
    let kept = format!(
        "{} in {}, {} in {}; {} on the console",
        facts.host_name,
        expected.time_zone,
        expected.user,
        facts.groups,
        expected.autologin.as_deref().unwrap_or_default()
    );
    Finding::from_faults(&faults, kept)
}

/// The differences between `actual` (with spaces between them) and `expected` groups.
fn wrong_groups(actual: &str, expected: &BTreeSet<String>) -> String {
    let actual: BTreeSet<&str> = actual.split_whitespace().collect();
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    let missing = expected.difference(&actual);
    let added = actual.difference(&expected);
    let missing = missing.map(|group| format!("not in {group}"));
    let added = added.map(|group| format!("in {group} too"));
    missing.chain(added).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::Identity;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn expected() -> Expected {
        Expected {
            host_name: "OllamaLive".to_string(),
            time_zone: "Europe/Berlin".to_string(),
            key_map: "de".to_string(),
            user: "owner".to_string(),
            uid: Some(1000),
            home: "/home/owner".to_string(),
            shell: "zsh".to_string(),
            groups: BTreeSet::from(["users", "wheel", "video"].map(String::from)),
            free_sudo: true,
            history: 5000,
            autologin: Some("owner".to_string()),
        }
    }

    const CONSOLE: &str = "owner\nshell=-zsh\nsudo=free";

    fn good() -> Identity {
        Identity {
            console: CONSOLE.to_string(),
            host_name: "OllamaLive".to_string(),
            time_zone: "/etc/zoneinfo/Europe/Berlin".to_string(),
            keyboard: "KEYMAP=\"de\"\nFONT=x".to_string(),
            passwd: "owner:x:1000:100::/home/owner:/bin/zsh".to_string(),
            groups: "users video wheel".to_string(),
            passwords: "!".to_string(),
            sudo: "free".to_string(),
            history: "HISTORY=5000".to_string(),
        }
    }

    fn judge_all(identity: &Identity) -> Finding {
        judge(&Facts::All(identity.clone()), &expected())
    }

    #[test]
    fn kept_when_all_is_as_configured() {
        assert_kept(
            judge_all(&good()),
            "OllamaLive in Europe/Berlin, owner in users video wheel; owner on the console",
        );
    }

    #[test]
    fn the_console_is_judged_first() {
        assert_eq!(
            judge(&Facts::NoConsole("no prompt".to_string()), &expected()),
            Finding::Broken("owner has no shell on the console: no prompt".to_string())
        );
        assert_eq!(
            judge(&Facts::SudoAsks("owner".to_string()), &expected()),
            Finding::Broken("sudo without a password: owner".to_string())
        );
    }

    #[test]
    fn each_difference_breaks_it() {
        assert_each_breaks(
            &good(),
            judge_all,
            &[
                (
                    |facts| facts.host_name = "Other".to_string(),
                    "host name: Other",
                ),
                (
                    |facts| facts.time_zone = "/etc/zoneinfo/UTC".to_string(),
                    "time zone: /etc/zoneinfo/UTC",
                ),
                (
                    |facts| facts.time_zone += " (no such zone)",
                    "time zone: /etc/zoneinfo/Europe/Berlin (no such zone)",
                ),
                (
                    |facts| facts.keyboard = "KEYMAP=us".to_string(),
                    "keyboard: KEYMAP=us",
                ),
                (
                    |facts| facts.passwd = "owner:x:1000:100::/home/owner:/bin/bash".to_string(),
                    "shell: owner:x:1000:100::/home/owner:/bin/bash",
                ),
                (
                    |facts| facts.passwd = "owner:x:1000:100::/root:/bin/zsh".to_string(),
                    "home: owner:x:1000:100::/root:/bin/zsh",
                ),
                (
                    |facts| facts.passwd = "owner:x:1001:100::/home/owner:/bin/zsh".to_string(),
                    "user's number: owner:x:1001:100::/home/owner:/bin/zsh",
                ),
                (
                    |facts| facts.groups = "users wheel disk".to_string(),
                    "groups: not in video, in disk too",
                ),
                (
                    |facts| facts.passwords = "!\n$".to_string(),
                    "locked passwords of user and root: !\n$",
                ),
                (
                    |facts| facts.sudo = "a password is required".to_string(),
                    "sudo without a password: a password is required",
                ),
                (
                    |facts| facts.history = "HISTORY=50".to_string(),
                    "zsh history: HISTORY=50",
                ),
                (
                    |facts| facts.console = "root\nshell=-zsh".to_string(),
                    "console: root\nshell=-zsh",
                ),
                (
                    |facts| facts.console = "owner\nshell=-bash".to_string(),
                    "console's shell: owner\nshell=-bash",
                ),
            ],
        );
    }

    #[test]
    fn expectations_that_the_contract_leaves_open_do_not_count() {
        let expected = Expected {
            uid: None,
            autologin: None,
            free_sudo: false,
            ..expected()
        };
        let facts = Identity {
            console: String::new(),
            sudo: String::new(),
            passwd: "owner:x:77:100::/home/owner:/bin/zsh".to_string(),
            ..good()
        };
        let finding = judge(&Facts::All(facts), &expected);
        assert!(matches!(finding, Finding::Kept(_)), "{finding:?}");
        let finding = judge(&Facts::All(good()), &expected);
        assert_eq!(
            finding,
            Finding::Broken("sudo without a password: free".to_string())
        );
    }
}
