//! The stick that the machine was started from: how udev names it, and how its PERSIST grows.

use std::collections::BTreeMap;

use super::archive::Archive;
use crate::contract::Image;

/// Where the recorded rules look for the script.
const STARTED_FROM: &str = "/etc/ollamalive/started-from";
/// The one definition that is taken as it is. The other partitions are smaller than NixOS's.
const PERSIST: &str = "30-persist";
/// As NixOS's systemd-repart.service in its initial RAM disk, which this guest has not.
const UNIT: &str = "[Unit]
Description=Repartition the stick
DefaultDependencies=no
After=systemd-udevd.service systemd-udev-trigger.service
Before=persist.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
SuccessExitStatus=1
ExecStartPre=-udevadm wait --settle --timeout=20 /dev/ollamalive/stick
ExecStart=systemd-repart --dry-run=no --definitions=/etc/repart.d --discard=no /dev/ollamalive/stick
ExecStartPost=udevadm settle --timeout=30
";

pub fn add(archive: &mut Archive, image: &Image) {
    archive.file_with_mode(STARTED_FROM, 0o755, image.started_from.clone());
    archive.file("/etc/udev/rules.d/99-local.rules", image.udev_rules.clone());
    for (name, settings) in &image.repart {
        archive.file(
            &format!("/etc/repart.d/{name}.conf"),
            definition(name, settings),
        );
    }
    archive.unit("systemd-repart.service", UNIT);
    archive.enable("systemd-repart.service", "local-fs.target", "wants", "..");
}

fn definition(name: &str, settings: &BTreeMap<String, String>) -> String {
    let lines: String = settings
        .iter()
        .filter(|(setting, _)| name == PERSIST || *setting == "Type")
        .map(|(setting, value)| format!("{setting}={value}\n"))
        .collect();
    format!("[Partition]\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_persist_is_defined_as_recorded() {
        let settings = [("SizeMinBytes", "4096M"), ("Type", "linux-generic")]
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .into();
        assert_eq!(
            definition("20-store", &settings),
            "[Partition]\nType=linux-generic\n"
        );
        assert_eq!(
            definition(PERSIST, &settings),
            "[Partition]\nSizeMinBytes=4096M\nType=linux-generic\n"
        );
    }
}
