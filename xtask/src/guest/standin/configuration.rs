//! The recorded contract as files over Debian.

use std::path::Path;

use anyhow::Result;

use super::archive::Archive;
use super::base::Base;
use super::{accounts, fstab, quick, repart, services, shells, units};
use crate::contract::Contract;

/// Writes the tar that the guest unpacks over the base.
pub fn write(
    contract: &Contract,
    base: &Base,
    path: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let (archive, left_out) = compose(contract, base)?;
    if !left_out.is_empty() {
        say(&format!(
            "the stand-in guest has no {}: what is recorded for it is not tried",
            left_out.join(", ")
        ));
    }
    archive.write(path)
}

fn compose(contract: &Contract, base: &Base) -> Result<(Archive, Vec<String>)> {
    let mut archive = Archive::default();
    quick::add(&mut archive);
    shells::add(&mut archive, &contract.system, &contract.users.zsh);
    accounts::add(&mut archive, &contract.users, base)?;
    repart::add(&mut archive, &contract.image);
    services::network(&mut archive);
    services::firewall(&mut archive, &contract.firewall);
    services::ssh(&mut archive, &contract.ssh);
    services::docker(&mut archive, &contract.docker);
    archive.file("/etc/fstab", fstab::fstab(&contract.filesystems));
    archive.file(
        "/etc/tmpfiles.d/recorded.conf",
        contract
            .tmpfiles
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    );
    let left_out = units::add(&mut archive, &contract.units, &base.fact("units")?);
    Ok((archive, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest contract: nothing enabled, nobody recorded.
    fn contract() -> Contract {
        serde_json::from_value(serde_json::json!({
            "system": { "hostName": "Box", "timeZone": "UTC", "keyMap": "us", "locale": "C.UTF-8", "kernelParams": [],
                        "autologin": { "user": null } },
            "users": { "sudo": { "wheelNeedsPassword": true },
                       "zsh": { "enable": false, "autosuggestions": false, "syntaxHighlighting": false, "histSize": 1 } },
            "ssh": { "config": "Port 22\n", "hostKeys": [], "ports": [22] },
            "firewall": { "enable": false, "tcpPorts": [], "udpPorts": [], "tables": {} },
            "filesystems": {},
            "tmpfiles": ["d /one 0755 root root - -", "d /two 0755 root root - -"],
            "docker": { "daemon": {}, "dataRoot": "/var/lib/docker" },
            "ollama": { "image": "o", "port": 1, "container": "o", "unit": "o.service", "modelsDir": "/m" },
            "models": { "drive": null, "mountPoint": "/m" },
            "persist": { "label": "P", "mountPoint": "/persist", "unit": "p.service", "bindMounts": {} },
            "image": { "diskId": "00000000-0000-0000-0000-000000000005", "startedFrom": "exit 0", "udevRules": "", "repart": {} },
            "units": { "foreign.service": {} }
        }))
        .unwrap()
    }

    #[test]
    fn every_concern_has_its_files_and_the_left_out_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("passwd", "root:x:0:0::/root:/bin/bash\n"),
            ("group", "root:x:0:\n"),
            ("shadow", ""),
            ("units", ""),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (archive, left_out) = compose(&contract(), &Base::at(folder.path())).unwrap();
        assert_eq!(left_out, ["foreign.service"]);
        assert_eq!(archive.text("/etc/hostname"), "Box\n");
        assert_eq!(archive.text("/etc/passwd"), "root:x:0:0::/root:/bin/bash\n");
        assert_eq!(archive.text("/etc/ssh/sshd_config"), "Port 22\n");
        assert!(
            archive
                .text("/etc/tmpfiles.d/recorded.conf")
                .ends_with("d /two 0755 root root - -\n")
        );
        assert_eq!(
            archive.target("/etc/systemd/system/tmp.mount"),
            Some("/dev/null")
        );
    }
}
