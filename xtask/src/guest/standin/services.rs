//! The settings of the network, sshd and Docker, which are values in the record and not text.

use serde_json::Value;

use super::archive::Archive;
use super::debian;
use crate::contract::Docker;

const DEBIAN_UNITS: &str = "/usr/lib/systemd/system";
/// Settings that Debian's docker.service gives on its command line; dockerd refuses to start with both.
const ON_COMMAND_LINE: [&str; 2] = ["hosts", "containerd"];
/// NixOS's NetworkManager brings up every wired card by DHCP, and nothing waits for it. This does the same.
const NETWORK: &str = "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\nLinkLocalAddressing=ipv6\n";
/// QEMU's user-mode network has its name server here.
const RESOLVER: &str = "nameserver 10.0.2.3\n";

pub fn network(archive: &mut Archive) {
    archive.file("/etc/systemd/network/wired.network", NETWORK);
    archive.file("/etc/resolv.conf", RESOLVER);
    archive.enable(
        "systemd-networkd.service",
        "multi-user.target",
        "wants",
        DEBIAN_UNITS,
    );
    archive.enable(
        "systemd-networkd.socket",
        "sockets.target",
        "wants",
        DEBIAN_UNITS,
    );
}

/// NixOS builds this file and does not evaluate it; the record has its lines.
pub fn sshd(archive: &mut Archive, config: &str) {
    archive.file("/etc/ssh/sshd_config", debian::paths(config, &[]));
}

pub fn docker(archive: &mut Archive, docker: &Docker) {
    let mut daemon = docker.daemon.clone();
    if let Value::Object(settings) = &mut daemon {
        settings.retain(|name, _| !ON_COMMAND_LINE.contains(&name.as_str()));
        settings.insert("data-root".into(), docker.data_root.clone().into());
    }
    archive.file("/etc/docker/daemon.json", format!("{daemon:#}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sshd_has_debians_paths() {
        let mut archive = Archive::default();
        sshd(
            &mut archive,
            "Port 22\nSubsystem sftp /nix/store/openssh/libexec/sftp-server\n",
        );
        assert_eq!(
            archive.text("/etc/ssh/sshd_config"),
            "Port 22\nSubsystem sftp /usr/lib/openssh/sftp-server\n"
        );
    }

    #[test]
    fn docker_has_each_setting_once() {
        let recorded = Docker {
            daemon: serde_json::json!({ "hosts": ["fd://"], "storage-driver": "overlay2" }),
            data_root: "/var/lib/docker".to_string(),
        };
        let mut archive = Archive::default();
        docker(&mut archive, &recorded);
        assert_eq!(
            archive.text("/etc/docker/daemon.json"),
            "{\n  \"data-root\": \"/var/lib/docker\",\n  \"storage-driver\": \"overlay2\"\n}\n"
        );
    }
}
