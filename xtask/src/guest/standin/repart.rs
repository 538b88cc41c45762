//! udev's names for the stick that the machine was started from, and the growth of its PERSIST.

use std::collections::BTreeMap;

use super::archive::Archive;
use crate::contract::Image;

/// Where the recorded rules look for the script.
const STARTED_FROM: &str = "/etc/ollamalive/started-from";
/// The one definition that is installed as recorded. The other partitions are smaller than NixOS's.
const PERSIST: &str = "60-persist";
/// As NixOS's systemd-repart.service, which runs in an initial RAM disk that this guest does not have. Most of its text
/// comes from systemd's package and is not evaluated.
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

/// `started_from` is the script that udev's rules run.
pub fn add(archive: &mut Archive, image: &Image, started_from: &str) {
    archive.file_with_mode(STARTED_FROM, 0o755, started_from);
    let rules = image.udev_rules.join("\n") + "\n";
    archive.file("/etc/udev/rules.d/99-local.rules", rules);
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
            definition("30-store-a", &settings),
            "[Partition]\nType=linux-generic\n"
        );
        assert_eq!(
            definition(PERSIST, &settings),
            "[Partition]\nSizeMinBytes=4096M\nType=linux-generic\n"
        );
    }
}
