//! What is not kept, or kept in the wrong place.

use super::Edit::{Line, Replace};
use super::HeldTo::Itself;
use super::{Edit, Mutant, in_both};

const FSTAB: &str = "/texts/fstab";
const NETWORK: &str = " /etc/NetworkManager/system-connections ";

/// A folder that should be kept and is not.
const fn bind(
    id: &'static str,
    breaks: &'static str,
    symptom: &'static str,
    edits: &'static [Edit],
    nixos: &'static str,
) -> Mutant {
    in_both(id, breaks, "persist.bind-mounts", symptom, edits, nixos)
}

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "persist.read-only",
        breaks: "PERSIST is read-only from the moment that Ollama starts",
        caught_by: "persist.mounted",
        symptom: "/persist is not writable",
        also: &[],
        edits: &[Replace(
            "/texts/units/docker-ollama.service",
            "[Service]\n",
            "[Service]\nExecStartPost=mount -o remount,bind,ro /persist\n",
        )],
        nixos: Some(
            r#"systemd.services.docker-ollama.postStart = "${pkgs.util-linux}/bin/mount -o remount,bind,ro /persist";"#,
        ),
        held_to: Itself,
        comes_up: true,
        alone: false,
    },
    Mutant {
        id: "persist.copied-to-memory",
        breaks: "what is on PERSIST is copied to memory, and changes are made to the copy",
        caught_by: "persist.mounted",
        symptom: "/persist is tmpfs",
        also: &["docker.state-on-persist"],
        edits: &[Replace(
            "/texts/units/persist.service",
            "[Service]\n",
            "[Service]\nExecStartPost=/bin/sh -c \"mkdir /run/stick && mount --bind /persist /run/stick && umount /persist && mount -t tmpfs tmpfs /persist && cp -a /run/stick/. /persist\"\n",
        )],
        nixos: Some(
            r#"boot.initrd.systemd.services.persist.postStart = "cd / && mkdir /run/stick && mount --bind /sysroot/persist /run/stick && umount /sysroot/persist && mount -t tmpfs tmpfs /sysroot/persist && cp -a /run/stick/. /sysroot/persist";"#,
        ),
        held_to: Itself,
        comes_up: true,
        alone: false,
    },
    Mutant {
        id: "persist.never-mounted",
        breaks: "a tmpfs is mounted at /persist before PERSIST is found, so the owner's key is missing",
        caught_by: "ssh.key-accepted",
        symptom: "the key in /persist/ssh/authorized_keys was refused",
        // The archive that Ollama is loaded from is on PERSIST.
        also: &[
            "ollama.answers",
            "gpu.late-driver",
            "gpu.survives-daemon-reload",
            "gpu.cpu-reported",
            "gpu.empty-list",
        ],
        edits: &[Replace(
            "/texts/units/persist.service",
            "[Service]\n",
            "[Service]\nExecStartPre=/bin/sh -c \"mkdir -p /persist && mount -t tmpfs tmpfs /persist\"\n",
        )],
        nixos: Some(
            r#"boot.initrd.systemd.services.persist.preStart = "mkdir -p /sysroot/persist && mount -t tmpfs tmpfs /sysroot/persist";"#,
        ),
        held_to: Itself,
        comes_up: true,
        alone: true,
    },
    bind(
        "persist.home-missing",
        "/home is not kept",
        "/home is not mounted",
        &[Line(FSTAB, " /home ", "")],
        r#"fileSystems."/home".enable = lib.mkForce false;"#,
    ),
    bind(
        "persist.home-from-elsewhere",
        "/home is another folder's content",
        "/nixos, not from",
        &[Replace(
            FSTAB,
            "/persist/home /home ",
            "/persist/nixos /home ",
        )],
        r#"fileSystems."/home".device = lib.mkForce "/persist/nixos";"#,
    ),
    bind(
        "persist.home-in-memory",
        "/home is mounted, but from memory",
        " /, not from",
        &[Line(FSTAB, " /home ", "tmpfs /home tmpfs mode=0755 0 0")],
        r#"fileSystems."/home" = lib.mkForce { device = "tmpfs"; fsType = "tmpfs"; options = [ "mode=0755" ]; };"#,
    ),
    bind(
        "persist.network-missing",
        "NetworkManager's connections are not kept",
        "/etc/NetworkManager/system-connections is not mounted",
        &[Line(FSTAB, NETWORK, "")],
        r#"fileSystems."/etc/NetworkManager/system-connections".enable = lib.mkForce false;"#,
    ),
    bind(
        "persist.network-read-only",
        "NetworkManager's connections cannot be changed",
        "/etc/NetworkManager/system-connections is not writable",
        &[Replace(
            FSTAB,
            " /etc/NetworkManager/system-connections none ",
            " /etc/NetworkManager/system-connections none ro,",
        )],
        r#"fileSystems."/etc/NetworkManager/system-connections".options = [ "ro" ];"#,
    ),
    bind(
        "persist.nixos-missing",
        "/var/lib/nixos, which numbers users and groups, is not kept",
        "/var/lib/nixos is not mounted",
        &[Line(FSTAB, " /var/lib/nixos ", "")],
        r#"fileSystems."/var/lib/nixos".enable = lib.mkForce false;"#,
    ),
    bind(
        "persist.journal-missing",
        "the journal is not kept",
        "/var/log/journal is not mounted",
        &[Line(FSTAB, " /var/log/journal ", "")],
        r#"fileSystems."/var/log/journal".enable = lib.mkForce false;"#,
    ),
    bind(
        "persist.docker-from-elsewhere",
        "Docker's state is in another folder of PERSIST",
        "/images, not from",
        &[Replace(
            FSTAB,
            "/persist/docker /var/lib/docker ",
            "/persist/images /var/lib/docker ",
        )],
        r#"fileSystems."/var/lib/docker".device = lib.mkForce "/persist/images";"#,
    ),
];
