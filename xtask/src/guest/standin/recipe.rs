//! The ingredients of the base: Debian's release, its packages, and the scripts that shape it.

/// Debian's release.
pub const SUITE: &str = "trixie";
/// The mirror that the packages come from.
pub const MIRROR: &str = "http://deb.debian.org/debian";
/// The packages beside Debian's essential ones.
pub const PACKAGES: &[&str] = &[
    "busybox-static",
    "curl",
    "dbus",
    "docker-cli",
    "docker.io",
    "e2fsprogs",
    "iproute2",
    "iptables",
    "jq",
    "kmod",
    "login",
    // For nmcli, which judges connections. The network is networkd's.
    "network-manager",
    "nftables",
    "ntfs-3g",
    "openssh-server",
    "passwd",
    "procps",
    "sudo",
    "systemd",
    "systemd-repart",
    "systemd-resolved",
    "systemd-sysv",
    "systemd-timesyncd",
    "tzdata",
    "udev",
    "zsh",
    "zsh-autosuggestions",
    "zsh-syntax-highlighting",
    "zstd",
];
/// Runs once the packages are installed.
pub const HOOK: &str = include_str!("base-hook.sh");
/// The first process of the guest.
pub const INIT: &str = include_str!("init.sh");
