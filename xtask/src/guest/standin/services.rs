//! The settings of the network, sshd and Docker, which are values in the record and not text.

use serde_json::Value;

use super::archive::Archive;
use super::debian;
use crate::contract::{Docker, Names};

const DEBIAN_UNITS: &str = "/usr/lib/systemd/system";
/// Settings that Debian's docker.service gives on its command line; dockerd refuses to start with both.
const ON_COMMAND_LINE: [&str; 2] = ["hosts", "containerd"];
/// NixOS's NetworkManager brings up every wired card by DHCP, and nothing waits for it. This does the same. Like NetworkManager,
/// it leaves mDNS and LLMNR to resolved.
const NETWORK: &str = "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\nLinkLocalAddressing=ipv6\nMulticastDNS=yes\nLLMNR=yes\n";

pub fn network(archive: &mut Archive, names: &Names) {
    archive.file("/etc/systemd/network/wired.network", NETWORK);
    resolver(archive, names);
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

fn resolver(archive: &mut Archive, names: &Names) {
    if !names.resolved {
        // As NixOS has it before DHCP has answered. It would add the name server then, and no test of the others asks it.
        archive.file("/etc/resolv.conf", "");
        return;
    }
    let settings = names.settings.iter();
    let lines = settings.map(|(name, value)| format!("{name}={}\n", setting(value)));
    // Not resolved.conf itself: Debian's 00-disable-mdns.conf comes after that, and would decide.
    archive.file(
        "/etc/systemd/resolved.conf.d/nixos.conf",
        format!("[Resolve]\n{}", lines.collect::<String>()),
    );
    archive.link("/etc/resolv.conf", &names.resolv_conf);
    archive.enable(
        "systemd-resolved.service",
        "sysinit.target",
        "wants",
        DEBIAN_UNITS,
    );
}

/// A value as NixOS writes it into systemd's files.
fn setting(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(setting).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
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

    fn names(resolved: bool) -> Names {
        serde_json::from_value(serde_json::json!({
            "resolved": resolved,
            "resolvConf": "/run/stub",
            "settings": { "DNSSEC": false, "Domains": ["a", "b"], "FallbackDNS": [], "LLMNR": "resolve" },
        }))
        .unwrap()
    }

    #[test]
    fn resolved_has_its_settings_and_is_started() {
        let mut archive = Archive::default();
        network(&mut archive, &names(true));
        assert_eq!(
            archive.text("/etc/systemd/resolved.conf.d/nixos.conf"),
            "[Resolve]\nDNSSEC=false\nDomains=a b\nFallbackDNS=\nLLMNR=resolve\n"
        );
    }

    #[test]
    fn without_resolved_there_is_no_name_server_before_dhcp() {
        let mut archive = Archive::default();
        network(&mut archive, &names(false));
        assert_eq!(archive.text("/etc/resolv.conf"), "");
    }

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
