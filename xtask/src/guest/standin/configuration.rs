//! The recorded contract as files that are unpacked over Debian.

use std::path::Path;

use anyhow::Result;

use super::archive::Archive;
use super::base::Base;
use super::{accounts, boot_tuning, debian, repart, services, shells, units};
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
    let scripts = debian::scripts(contract);
    let script = |name: &str| scripts.get(name).map_or("", String::as_str);
    boot_tuning::add(&mut archive);
    shells::add(
        &mut archive,
        &contract.system,
        &contract.users.zsh,
        script("login-shell-init"),
    );
    accounts::add(&mut archive, &contract.users, base)?;
    repart::add(&mut archive, &contract.image, script("started-from"));
    services::network(&mut archive, &contract.names);
    services::sshd(&mut archive, &contract.sshd_config);
    services::docker(&mut archive, &contract.docker);
    archive.file("/etc/fstab", debian::fstab(&contract.texts.fstab));
    archive.file(
        "/etc/tmpfiles.d/recorded.conf",
        contract.tmpfiles.join("\n") + "\n",
    );
    let left_out = units::add(&mut archive, contract);
    Ok((archive, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest contract: nothing enabled, no accounts.
    fn contract() -> Contract {
        serde_json::from_value(serde_json::json!({
            "system": { "hostName": "Box", "timeZone": "UTC", "keyMap": "us", "locale": "C.UTF-8", "kernelParams": [],
                        "autologin": { "user": null } },
            "users": { "owner": "owner", "accounts": {}, "sudo": { "wheelNeedsPassword": true },
                       "zsh": { "enable": false, "autosuggestions": false, "syntaxHighlighting": false, "histSize": 1 } },
            "ssh": { "hostKeys": [], "port": 22 },
            "sshd_config": "Port 22\n",
            "names": { "resolved": true, "resolvConf": "/run/stub", "settings": {} },
            "tmpfiles": ["d /one 0755 root root - -", "d /two 0755 root root - -"],
            "docker": { "daemon": {}, "dataRoot": "/var/lib/docker" },
            "ollama": { "allowedNetworks": [], "image": "o", "port": 1, "container": "o", "unit": "o.service", "modelsDir": "/m" },
            "models": { "drive": null, "mountPoint": "/m" },
            "persist": { "label": "P", "mountPoint": "/persist", "unit": "p.service", "bindMounts": {} },
            "image": { "diskId": "00000000-0000-0000-0000-000000000005", "udevRules": [], "repart": {} },
            "scripts": { "a-start": "#!/nix/store/bash/bin/bash\nexit\n" },
            "texts": {
                "release": "26.05\n", "fstab": "/dev/x /x ext4 x-initrd.mount 0 0\n", "scripts": {},
                "units": {
                    "nvidia-container-toolkit-cdi-generator.service": "",
                    "sshd.service": "[Service]\nExecStart=/nix/store/unit-script-a-start/bin/a-start\n\n[Install]\nWantedBy=multi-user.target\n"
                }
            }
        }))
        .unwrap()
    }

    #[test]
    fn every_concern_has_its_files_and_absent_units_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("passwd", "root:x:0:0::/root:/bin/bash\n"),
            ("group", "root:x:0:\n"),
            ("shadow", ""),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (archive, left_out) = compose(&contract(), &Base::at(folder.path())).unwrap();
        assert_eq!(left_out, ["nvidia-container-toolkit-cdi-generator.service"]);
        assert_eq!(archive.text("/etc/hostname"), "Box\n");
        assert_eq!(archive.text("/etc/passwd"), "root:x:0:0::/root:/bin/bash\n");
        assert_eq!(archive.text("/etc/ssh/sshd_config"), "Port 22\n");
        assert!(
            archive
                .text("/etc/tmpfiles.d/recorded.conf")
                .ends_with("d /two 0755 root root - -\n")
        );
        assert_eq!(archive.text("/etc/fstab"), "/dev/x /x ext4 defaults 0 0\n");
        assert_eq!(
            archive.text("/etc/standin/scripts/a-start"),
            "#!/usr/bin/bash\nexit\n"
        );
        let system = "/etc/systemd/system";
        assert!(
            archive
                .text(&format!("{system}/sshd.service"))
                .contains("RuntimeDirectory=sshd\nExecStart=/etc/standin/scripts/a-start\n")
        );
        for (link, target) in [
            ("multi-user.target.wants/sshd.service", "../sshd.service"),
            ("ssh.service", "sshd.service"),
        ] {
            assert_eq!(archive.target(&format!("{system}/{link}")), Some(target));
        }
        assert_eq!(
            archive.target("/etc/systemd/system/tmp.mount"),
            Some("/dev/null")
        );
    }
}
