//! Everything that Debian needs differently from what NixOS renders. The stand-in installs the recorded texts as they are,
//! except for the rules in this file and those for paths.

mod paths;

use std::collections::BTreeMap;

pub use self::paths::{SCRIPTS, paths};
use crate::contract::Contract;

/// Units that Debian brings in a package, with its own command line. Only the conditions and relations are taken from
/// NixOS.
const PACKAGED: &[&str] = &["docker.service"];
/// Units whose programs Debian does not have.
const ABSENT: &[&str] = &["nvidia-container-toolkit-cdi-generator.service"];
/// Other names that Debian's own units and packages know a unit by.
const ALIASES: &[(&str, &str)] = &[("sshd.service", "ssh.service")];
/// Settings that a unit needs here, as `(unit, section, setting)`.
const ADDED: &[(&str, &str, &str)] = &[
    // Debian's sshd separates its privileges there, NixOS's in /var/empty.
    ("sshd.service", "Service", "RuntimeDirectory=sshd"),
];
/// Settings whose scripts are built and not evaluated, so the record does not have them.
const UNRECORDED: &[&str] = &[
    // oci-containers removes a container that a crash has left behind.
    "ExecStartPre=/nix/store/pre-start/bin/pre-start",
];
/// nftables.service loads this file before its rules, to delete the tables of the last load. The unit loads its rules
/// once per boot here, so there are none.
const EMPTY_SCRIPT: &str = "nftables-deletions";

/// Mounts that belong to NixOS's own layout.
const NIXOS_MOUNTS: &[&str] = &["/", "/nix/store"];
/// Options for an initial RAM disk with systemd in it, which the stand-in does not have.
const INITRD_OPTIONS: &[&str] = &["x-initrd.mount", "x-systemd.before=initrd-fs.target"];

/// A unit file for Debian.
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its path in `/etc/systemd/system`: the unit itself, or a drop-in of Debian's unit.
    pub path: String,
    pub text: String,
    /// `(unit, target, "wants" or "requires")`, as in `[Install]`.
    pub enabled: Vec<(String, String, &'static str)>,
    /// The other names of the unit.
    pub aliases: Vec<String>,
}

/// The recorded scripts by name, for Debian.
pub fn scripts(contract: &Contract) -> BTreeMap<String, String> {
    let names: Vec<&str> = script_names(contract).collect();
    let recorded = contract.scripts.iter().chain(&contract.texts.scripts);
    recorded
        .map(|(name, text)| (name.clone(), paths(text, &names)))
        .chain([(EMPTY_SCRIPT.to_string(), String::new())])
        .collect()
}

/// The recorded units for Debian, and the names of those that it cannot have.
pub fn units(contract: &Contract) -> (Vec<Unit>, Vec<String>) {
    let names: Vec<&str> = script_names(contract).collect();
    let (absent, present): (Vec<_>, Vec<_>) = contract
        .texts
        .units
        .iter()
        .partition(|(name, _)| ABSENT.contains(&name.as_str()));
    (
        present
            .iter()
            .map(|(name, text)| unit(name, text, &names))
            .collect(),
        absent.into_iter().map(|(name, _)| name.clone()).collect(),
    )
}

fn script_names(contract: &Contract) -> impl Iterator<Item = &str> {
    let names = contract.scripts.keys().chain(contract.texts.scripts.keys());
    names.map(String::as_str).chain([EMPTY_SCRIPT])
}

fn unit(name: &str, recorded: &str, scripts: &[&str]) -> Unit {
    let packaged = PACKAGED.contains(&name);
    // NixOS makes a drop-in for a unit that systemd's package has; such a text empties ExecStart before it sets it.
    let drop_in = packaged || recorded.contains("\nExecStart=\n");
    let (mut text, mut section, mut enabled) = (String::new(), String::new(), Vec::new());
    for line in recorded.replace("\\\n", "").lines() {
        if let Some(opened) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = opened.to_string();
            text += &format!("{line}\n");
            for (_, _, setting) in ADDED
                .iter()
                .filter(|(unit, of, _)| *unit == name && *of == opened)
            {
                text += &format!("{setting}\n");
            }
            continue;
        }
        if section == "Install" {
            for (key, kind) in [("WantedBy=", "wants"), ("RequiredBy=", "requires")] {
                let targets = line
                    .strip_prefix(key)
                    .unwrap_or_default()
                    .split_whitespace();
                enabled.extend(targets.map(|target| (name.to_string(), target.to_string(), kind)));
            }
        }
        let condition = line.starts_with("ExecCondition=");
        if UNRECORDED.contains(&line.trim_end()) || packaged && section == "Service" && !condition {
            continue;
        }
        text += &format!("{}\n", paths(line, scripts));
    }
    if packaged {
        enabled.clear();
    }
    Unit {
        path: if drop_in {
            format!("{name}.d/nixos.conf")
        } else {
            name.to_string()
        },
        text,
        enabled,
        aliases: ALIASES
            .iter()
            .filter(|(unit, _)| *unit == name)
            .map(|(_, alias)| alias.to_string())
            .collect(),
    }
}

/// The recorded fstab(5) for Debian.
pub fn fstab(recorded: &str) -> String {
    recorded
        .lines()
        .filter_map(mount)
        .map(|line| line + "\n")
        .collect()
}

/// A line of fstab(5); `None` for a mount of NixOS's own, a comment or an empty line.
fn mount(line: &str) -> Option<String> {
    let mut fields: Vec<&str> = line.split_whitespace().collect();
    if line.starts_with('#') || fields.len() < 4 || NIXOS_MOUNTS.contains(&fields[1]) {
        return None;
    }
    let options: Vec<&str> = fields[3]
        .split(',')
        .filter(|option| !INITRD_OPTIONS.contains(option))
        .collect();
    let options = if options.is_empty() {
        "defaults".to_string()
    } else {
        options.join(",")
    };
    fields[3] = &options;
    Some(fields.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{project, snapshot};

    fn recorded() -> Contract {
        snapshot::load(&snapshot::folder(&project::root().unwrap())).unwrap()
    }

    #[test]
    fn no_store_path_is_left_in_the_recorded_texts() {
        let contract = recorded();
        let (units, _) = units(&contract);
        let texts = units.iter().map(|unit| (&unit.path, &unit.text));
        let scripts = scripts(&contract);
        for (name, text) in texts.chain(&scripts) {
            let left = text
                .lines()
                .find(|line| line.contains("/nix/store") && !line.starts_with("X-"));
            assert_eq!(left, None, "{name}");
        }
    }

    #[test]
    fn every_exception_is_one_of_the_record() {
        let contract = recorded();
        let units = &contract.texts.units;
        let named = PACKAGED.iter().chain(ABSENT).copied();
        for name in named
            .chain(ALIASES.iter().map(|one| one.0))
            .chain(ADDED.iter().map(|one| one.0))
        {
            assert!(units.contains_key(name), "{name}");
        }
        for line in UNRECORDED {
            assert!(units.values().any(|text| text.contains(line)), "{line}");
        }
    }

    #[test]
    fn a_unit_keeps_its_text_and_is_enabled_by_its_install_section() {
        let text = "[Unit]\nAfter=b.service\n\n[Service]\nExecStart=/nix/store/unit-script-a-start/bin/a-start \n\n[Install]\nWantedBy=c.target d.target\n";
        let made = unit("a.service", text, &["a-start"]);
        assert_eq!(made.path, "a.service");
        assert_eq!(
            made.text,
            "[Unit]\nAfter=b.service\n\n[Service]\nExecStart=/etc/standin/scripts/a-start \n\n[Install]\nWantedBy=c.target d.target\n"
        );
        let wants = |target: &str| ("a.service".to_string(), target.to_string(), "wants");
        assert_eq!(made.enabled, [wants("c.target"), wants("d.target")]);
    }

    #[test]
    fn a_packaged_unit_keeps_debians_command_line() {
        let text = "[Unit]\nRequiresMountsFor=/x\n\n[Service]\nExecCondition=true\nExecStart=\nExecStart=/nix/store/docker/bin/dockerd \\\n  --config-file=/nix/store/daemon.json \\\n  \n\nType=notify\n\n[Install]\nWantedBy=a.target\n";
        let made = unit("docker.service", text, &[]);
        assert_eq!(made.path, "docker.service.d/nixos.conf");
        assert_eq!(
            made.text,
            "[Unit]\nRequiresMountsFor=/x\n\n[Service]\nExecCondition=true\n[Install]\nWantedBy=a.target\n"
        );
        assert!(made.enabled.is_empty());
    }

    #[test]
    fn mounts_lose_what_only_nixos_has() {
        let recorded = "# comment\n\ntmpfs / tmpfs x-initrd.mount 0 0\n/dev/x /nix/store erofs ro 0 0\n\
                        /persist/home /home none x-initrd.mount,bind,x-systemd.before=initrd-fs.target 0 0\n\
                        LABEL=M /mnt/my\\040models ntfs-3g x-initrd.mount 0 2\n";
        assert_eq!(
            fstab(recorded),
            "/persist/home /home none bind 0 0\nLABEL=M /mnt/my\\040models ntfs-3g defaults 0 2\n"
        );
    }
}
