//! The recorded services, as unit files like those that NixOS generates.

use std::collections::BTreeMap;

use serde_json::Value;

use super::archive::Archive;
use super::store_path::to_debian;
use crate::contract::Unit;

/// Where Debian's name differs from NixOS's.
const DEBIAN_NAMES: &[(&str, &str)] = &[("sshd.service", "ssh.service")];
const SCRIPTS: &str = "/etc/standin/scripts";

/// Adds `units`; `debian` are the names of the units that Debian brings, one a line. Returns the units that are left
/// out: NixOS's own, which Debian has not and of which only additions are recorded.
pub fn add(archive: &mut Archive, units: &BTreeMap<String, Unit>, debian: &str) -> Vec<String> {
    let mut left_out = Vec::new();
    for (name, unit) in units {
        let debian_name = DEBIAN_NAMES
            .iter()
            .find(|(nix, _)| nix == name)
            .map_or(name.as_str(), |(_, debian)| debian);
        if !unit.script.is_empty() {
            let text = render(unit, &commands(archive, name, unit));
            archive.unit(name, text);
            enable(archive, name, unit, "..");
        } else if debian.lines().any(|line| line == debian_name) {
            archive.unit(&format!("{debian_name}.d/recorded.conf"), render(unit, &[]));
            enable(archive, debian_name, unit, "/usr/lib/systemd/system");
        } else {
            left_out.push(name.clone());
        }
    }
    left_out
}

fn enable(archive: &mut Archive, name: &str, unit: &Unit, from: &str) {
    for target in &unit.wanted_by {
        archive.enable(name, target, "wants", from);
    }
    for target in &unit.required_by {
        archive.enable(name, target, "requires", from);
    }
}

/// Writes the scripts of `unit`, and returns the settings that run them.
fn commands(archive: &mut Archive, name: &str, unit: &Unit) -> Vec<String> {
    let stem = name.trim_end_matches(".service");
    let scripts = [
        ("ExecStartPre", "pre-start", &unit.pre_start),
        ("ExecStart", "start", &unit.script),
        ("ExecStartPost", "post-start", &unit.post_start),
        ("ExecStop", "pre-stop", &unit.pre_stop),
        ("ExecStopPost", "post-stop", &unit.post_stop),
    ];
    let mut settings = Vec::new();
    for (setting, suffix, script) in scripts
        .into_iter()
        .filter(|(_, _, script)| !script.is_empty())
    {
        let path = format!("{SCRIPTS}/{stem}-{suffix}");
        archive.file_with_mode(
            &path,
            0o755,
            format!("#!/bin/bash\nset -e\n\n{}\n", to_debian(script).trim_end()),
        );
        settings.push(format!("{setting}={path}"));
    }
    settings
}

fn render(unit: &Unit, commands: &[String]) -> String {
    let mut text = "[Unit]\n".to_string();
    if !unit.description.is_empty() {
        text += &format!("Description={}\n", unit.description);
    }
    let relations = [
        ("After", &unit.after),
        ("Before", &unit.before),
        ("Wants", &unit.wants),
        ("Requires", &unit.requires),
        ("BindsTo", &unit.binds_to),
        ("PartOf", &unit.part_of),
    ];
    for (relation, others) in relations
        .into_iter()
        .filter(|(_, others)| !others.is_empty())
    {
        text += &format!("{relation}={}\n", others.join(" "));
    }
    text += &settings(&unit.unit_config);
    text += "\n[Service]\n";
    for (name, value) in unit
        .environment
        .iter()
        .filter(|(_, value)| !value.is_null())
    {
        // systemd reads a quoted string much as JSON does.
        text += &format!(
            "Environment={}\n",
            Value::String(format!("{name}={}", scalar(value)))
        );
    }
    for command in commands {
        text += &format!("{command}\n");
    }
    text + &settings(&unit.service_config)
}

/// `Name=value` lines; a list is as many lines.
fn settings(config: &BTreeMap<String, Value>) -> String {
    let mut text = String::new();
    for (name, value) in config {
        let values = match value {
            Value::Array(values) => values.iter().collect(),
            Value::Null => Vec::new(),
            value => vec![value],
        };
        for value in values {
            text += &format!("{name}={}\n", to_debian(&scalar(value)));
        }
    }
    text
}

fn scalar(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(value: serde_json::Value) -> BTreeMap<String, Unit> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_service_with_a_script_is_a_whole_unit() {
        let mut archive = Archive::default();
        let recorded = units(serde_json::json!({ "a.service": {
            "description": "A", "after": ["b.service", "c.target"], "wantedBy": ["multi-user.target"],
            "environment": { "KEY": "a \"b\"", "NONE": null, "NUMBER": 3 },
            "unitConfig": { "StartLimitIntervalSec": 0, "DefaultDependencies": false },
            "serviceConfig": { "Restart": "always", "ExecCondition": ["/nix/store/x-y/bin/one", "two"] },
            "preStart": "mkdir x", "script": "exec /nix/store/abc-docker-28/bin/docker run\n"
        }}));
        assert!(add(&mut archive, &recorded, "").is_empty());
        assert_eq!(
            archive.text("/etc/systemd/system/a.service"),
            "[Unit]\nDescription=A\nAfter=b.service c.target\nDefaultDependencies=false\nStartLimitIntervalSec=0\n\n\
             [Service]\nEnvironment=\"KEY=a \\\"b\\\"\"\nEnvironment=\"NUMBER=3\"\n\
             ExecStartPre=/etc/standin/scripts/a-pre-start\nExecStart=/etc/standin/scripts/a-start\n\
             ExecCondition=one\nExecCondition=two\nRestart=always\n"
        );
        assert_eq!(
            archive.text("/etc/standin/scripts/a-start"),
            "#!/bin/bash\nset -e\n\nexec docker run\n"
        );
        assert_eq!(
            archive.target("/etc/systemd/system/multi-user.target.wants/a.service"),
            Some("../a.service")
        );
    }

    #[test]
    fn additions_go_to_debians_unit_when_there_is_one() {
        let mut archive = Archive::default();
        let recorded = units(serde_json::json!({
            "sshd.service": { "after": ["network.target"] },
            "docker.service": { "unitConfig": { "RequiresMountsFor": ["/var/lib/docker"] } },
            "nvidia.service": { "serviceConfig": { "ExecCondition": "false" } }
        }));
        assert_eq!(
            add(&mut archive, &recorded, "docker.service\nssh.service\n"),
            ["nvidia.service"]
        );
        assert_eq!(
            archive.text("/etc/systemd/system/docker.service.d/recorded.conf"),
            "[Unit]\nRequiresMountsFor=/var/lib/docker\n\n[Service]\n"
        );
        assert!(
            archive
                .text("/etc/systemd/system/ssh.service.d/recorded.conf")
                .contains("After=network.target")
        );
    }
}
