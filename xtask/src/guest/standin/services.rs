//! What the network sees: addresses, firewall, SSH, Docker.

use serde_json::Value;

use super::archive::Archive;
use super::store_path::to_debian;
use crate::contract::{Docker, Firewall, Ssh};

const DEBIAN_UNITS: &str = "/usr/lib/systemd/system";
/// Daemon settings that Debian's docker.service gives on its command line; dockerd refuses to be told twice.
const ON_COMMAND_LINE: [&str; 2] = ["hosts", "containerd"];
/// As NixOS's nftables.service; Debian's own flushes everybody's rules and has a sandbox that costs time.
const NFTABLES_UNIT: &str = "[Unit]
Description=nftables firewall
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
DefaultDependencies=no

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/nftables.conf
";
/// As NixOS's sshd-keygen.service, with a script as in its ExecStart.
const KEYGEN_UNIT: &str = "[Unit]
Description=SSH host keys generation
Before=ssh.service
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -e /etc/standin/scripts/sshd-keygen
";
/// NixOS's NetworkManager brings up every wired card by DHCP, and nothing waits for it; so does this.
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

pub fn firewall(archive: &mut Archive, firewall: &Firewall) {
    if firewall.enable {
        archive.file("/etc/nftables.conf", tables(firewall));
        archive.unit("nftables.service", NFTABLES_UNIT);
        archive.enable("nftables.service", "sysinit.target", "wants", "..");
    }
}

fn tables(firewall: &Firewall) -> String {
    let table = |(name, table): (&String, &crate::contract::Table)| {
        format!(
            "table {} {name} {{\n{}}}\n",
            table.family,
            to_debian(table.content.trim_end()) + "\n"
        )
    };
    firewall.tables.iter().map(table).collect()
}

pub fn ssh(archive: &mut Archive, ssh: &Ssh) {
    archive.file("/etc/ssh/sshd_config", to_debian(&ssh.config));
    archive.file("/etc/standin/scripts/sshd-keygen", keygen(ssh));
    archive.unit("sshd-keygen.service", KEYGEN_UNIT);
    archive.enable("sshd-keygen.service", "ssh.service", "wants", "..");
    // The name by which NixOS knows it.
    archive.link(
        "/etc/systemd/system/sshd.service",
        &format!("{DEBIAN_UNITS}/ssh.service"),
    );
    // Debian checks the settings before each start; a start says the same.
    archive.unit(
        "ssh.service.d/standin.conf",
        "[Unit]\nAfter=sshd-keygen.service\n\n[Service]\nExecStartPre=\n",
    );
}

fn keygen(ssh: &Ssh) -> String {
    let one = |key: &crate::contract::HostKey| {
        let (path, kind) = (&key.path, &key.r#type);
        format!(
            "if ! [ -s '{path}' ]; then\n  mkdir -p \"$(dirname '{path}')\"\n  rm -f '{path}'\n  ssh-keygen -q -t '{kind}' -f '{path}' -N ''\nfi\n"
        )
    };
    ssh.host_keys.iter().map(one).collect()
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
    fn tables_are_loaded_as_recorded_and_only_when_enabled() {
        let mut recorded: Firewall = serde_json::from_value(serde_json::json!({
            "enable": true, "tcpPorts": [22], "udpPorts": [],
            "tables": { "fw": { "family": "inet", "content": "chain input {\npolicy drop;\n}\n" } }
        }))
        .unwrap();
        assert_eq!(
            tables(&recorded),
            "table inet fw {\nchain input {\npolicy drop;\n}\n}\n"
        );
        let mut archive = Archive::default();
        firewall(&mut archive, &recorded);
        assert_eq!(
            archive.target("/etc/systemd/system/sysinit.target.wants/nftables.service"),
            Some("../nftables.service")
        );
        recorded.enable = false;
        let mut archive = Archive::default();
        firewall(&mut archive, &recorded);
        assert_eq!(
            archive.target("/etc/systemd/system/sysinit.target.wants/nftables.service"),
            None
        );
    }

    #[test]
    fn every_recorded_host_key_is_made_where_it_belongs() {
        let recorded: Ssh = serde_json::from_value(serde_json::json!({
            "config": "Port 22\nSubsystem sftp /nix/store/openssh/libexec/sftp-server\n", "ports": [22],
            "hostKeys": [{ "path": "/persist/ssh/key", "type": "ed25519" }]
        }))
        .unwrap();
        let mut archive = Archive::default();
        ssh(&mut archive, &recorded);
        assert_eq!(
            archive.text("/etc/ssh/sshd_config"),
            "Port 22\nSubsystem sftp /usr/lib/openssh/sftp-server\n"
        );
        assert!(
            archive
                .text("/etc/standin/scripts/sshd-keygen")
                .contains("ssh-keygen -q -t 'ed25519' -f '/persist/ssh/key' -N ''")
        );
    }

    #[test]
    fn docker_is_not_told_twice() {
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
