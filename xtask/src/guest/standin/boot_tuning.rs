//! Turns off the parts of Debian's boot that no test needs: every unit costs tenths of a second on an emulated processor,
//! and every scenario boots.

use super::archive::Archive;

/// Masked units: they prepare devices, file systems and clocks that the guest does not use. logind stays, because
/// `systemctl is-system-running --wait` would not see the end of the boot without it.
const MASKED_UNITS: &[&str] = &[
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "getty-static.service",
    "kmod-static-nodes.service",
    "ldconfig.service",
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "proc-sys-fs-binfmt_misc.automount",
    "run-lock.mount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-binfmt.service",
    "systemd-creds.socket",
    "systemd-firstboot.service",
    "systemd-hibernate-clear.service",
    "systemd-hwdb-update.service",
    "systemd-initctl.socket",
    "systemd-journal-catalog-update.service",
    "systemd-machine-id-commit.service",
    "systemd-modules-load.service",
    "systemd-network-generator.service",
    "systemd-networkd-persistent-storage.service",
    "systemd-pcrextend.socket",
    "systemd-pcrlock.socket",
    "systemd-pcrmachine.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-pcrphase.service",
    "systemd-random-seed.service",
    "systemd-remount-fs.service",
    "systemd-rfkill.socket",
    "systemd-sysctl.service",
    "systemd-sysext.socket",
    "systemd-sysusers.service",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-tpm2-setup-early.service",
    "systemd-tpm2-setup.service",
    "systemd-udev-load-credentials.service",
    "systemd-update-done.service",
    "systemd-update-utmp.service",
    "tmp.mount",
];

/// Generators whose units the guest does not have. systemd-ssh-generator would report a missing AF_VSOCK on the
/// console, systemd-gpt-auto-generator would mount the empty ESP.
const MASKED_GENERATORS: &[&str] = &[
    "systemd-cryptsetup-generator",
    "systemd-debug-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-rc-local-generator",
    "systemd-run-generator",
    "systemd-ssh-generator",
    "systemd-system-update-generator",
    "systemd-sysv-generator",
    "systemd-tpm2-generator",
    "systemd-veritysetup-generator",
];

/// Services that every boot waits for. They run without their sandboxes, each of which is a mount namespace and a compiled
/// filter of system calls.
const TRUSTED: &[&str] = &[
    "systemd-journald",
    "systemd-logind",
    "systemd-networkd",
    "systemd-resolved",
    "systemd-udevd",
];
const NO_SANDBOX: &str = "[Service]
LockPersonality=no
MemoryDenyWriteExecute=no
PrivateDevices=no
PrivateMounts=no
PrivateTmp=no
ProtectClock=no
ProtectControlGroups=no
ProtectHome=no
ProtectHostname=no
ProtectKernelLogs=no
ProtectKernelModules=no
ProtectKernelTunables=no
ProtectProc=default
ProtectSystem=no
RestrictAddressFamilies=
RestrictFileSystems=
RestrictNamespaces=no
RestrictRealtime=no
RestrictSUIDSGID=no
SystemCallArchitectures=
SystemCallFilter=
";

/// Coldplug for the devices in use only: disks, network cards, random numbers, consoles.
const COLDPLUG: &str = "[Service]
ExecStart=
ExecStart=udevadm trigger --action=add --subsystem-match=block --subsystem-match=net --subsystem-match=tty --subsystem-match=virtio
";

/// The login prompt comes at once. agetty(8)'s `Type=idle` would wait up to 5 s so that messages do not run through it.
const PROMPT: &str = "[Service]
Type=simple
";

/// Without the plugins for Kubernetes and other file systems. The containerd of NixOS's dockerd has no CRI either.
const CONTAINERD: &str = r#"version = 2
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.tracing",
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]
"#;

pub fn add(archive: &mut Archive) {
    for unit in MASKED_UNITS {
        archive.link(&format!("/etc/systemd/system/{unit}"), "/dev/null");
    }
    for generator in MASKED_GENERATORS {
        archive.link(
            &format!("/etc/systemd/system-generators/{generator}"),
            "/dev/null",
        );
    }
    for service in TRUSTED {
        archive.unit(&format!("{service}.service.d/boot-tuning.conf"), NO_SANDBOX);
    }
    archive.unit("systemd-udev-trigger.service.d/boot-tuning.conf", COLDPLUG);
    for getty in ["getty@", "serial-getty@"] {
        archive.unit(&format!("{getty}.service.d/boot-tuning.conf"), PROMPT);
    }
    archive.file("/etc/containerd/config.toml", CONTAINERD);
}
