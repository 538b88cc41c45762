//! A machine that differs from its configuration.

use super::Edit::{Add, Append, RemoveItem, Replace, Set};
use super::HeldTo::{Itself, Unchanged};
use super::{Edit, Mutant, in_both};

const fn mutant(
    id: &'static str,
    breaks: &'static str,
    symptom: &'static str,
    edits: &'static [Edit],
    nixos: &'static str,
) -> Mutant {
    Mutant {
        held_to: Unchanged,
        ..in_both(id, breaks, "system.identity", symptom, edits, nixos)
    }
}

pub const MUTANTS: &[Mutant] = &[
    in_both(
        "system.calls-home",
        "a unit asks the name server for a host of its own choice",
        "ollama.keeps-to-itself",
        r#"for "news.example.com""#,
        &[Add(
            "/texts/units/news.service",
            "[Unit]\nWants=network-online.target\nAfter=network-online.target\n\
             [Service]\nExecStart=/bin/sh -c \"getent hosts news.example.com; true\"\n\
             [Install]\nWantedBy=multi-user.target\n",
        )],
        r#"systemd.services.news = { wantedBy = [ "multi-user.target" ]; wants = [ "network-online.target" ]; after = [ "network-online.target" ]; script = "${pkgs.getent}/bin/getent hosts news.example.com || true"; };"#,
    ),
    mutant(
        "system.host-name",
        "the machine has the wrong name",
        "host name: Other",
        &[Set("/system/hostName", r#""Other""#)],
        r#"networking.hostName = lib.mkForce "Other";"#,
    ),
    Mutant {
        // The hardware clock keeps the time of the configured zone, and is read as another's.
        also: &["system.leaves-the-clock", "system.time-from-network"],
        ..mutant(
            "system.time-zone",
            "the clock shows another zone's time",
            "time zone: ",
            &[Set("/system/timeZone", r#""UTC""#)],
            r#"time.timeZone = lib.mkForce "UTC";"#,
        )
    },
    Mutant {
        held_to: Itself,
        // The system's clock is then UTC's.
        also: &["system.leaves-the-clock", "system.time-from-network"],
        alone: true,
        ..mutant(
            "system.unknown-zone",
            "the configured time zone does not exist",
            "(no such zone)",
            &[Set("/system/timeZone", r#""Europe/Munich""#)],
            r#"time.timeZone = lib.mkForce "Europe/Munich";"#,
        )
    },
    mutant(
        "system.keyboard",
        "the keyboard has the wrong layout",
        "keyboard: ",
        &[Set("/system/keyMap", r#""us""#)],
        r#"console.keyMap = lib.mkForce "us";"#,
    ),
    Mutant {
        // The notices are shown by the start-up file of the shell that was configured.
        also: &["ollama.without-gpu"],
        ..mutant(
            "system.shell",
            "the owner has a different shell",
            "/bash",
            &[Set("/users/accounts/ollamalive/shell", r#""bash""#)],
            "users.users.ollamalive.shell = pkgs.bashInteractive;",
        )
    },
    mutant(
        "system.group-missing",
        "the owner is not in a group",
        "not in video",
        &[RemoveItem(
            "/users/accounts/ollamalive/extraGroups",
            r#""video""#,
        )],
        r#"users.users.ollamalive.extraGroups = lib.mkForce [ "docker" "networkmanager" "render" "wheel" ];"#,
    ),
    mutant(
        "system.group-added",
        "the owner is in one more group, which may read every disk",
        "in disk too",
        &[Append(
            "/users/accounts/ollamalive/extraGroups",
            r#""disk""#,
        )],
        r#"users.users.ollamalive.extraGroups = [ "disk" ];"#,
    ),
    mutant(
        "system.user-number",
        "the owner has a different user ID, and does not own the files on PERSIST",
        "user's number: ",
        &[Set("/users/accounts/ollamalive/uid", "1001")],
        "users.users.ollamalive.uid = lib.mkForce 1001;",
    ),
    mutant(
        "system.empty-password",
        "the owner's password is empty",
        "locked passwords",
        &[Set("/users/accounts/ollamalive/hashedPassword", r#""""#)],
        r#"users.users.ollamalive.hashedPassword = lib.mkForce "";"#,
    ),
    Mutant {
        alone: true,
        ..mutant(
            "system.no-autologin",
            "the console asks for a password, and the owner has none",
            "has no shell on the console",
            &[
                Set("/system/autologin/user", "null"),
                Replace(
                    "/texts/units/serial-getty@.service",
                    " --autologin ollamalive",
                    "",
                ),
            ],
            "services.getty.autologinUser = lib.mkForce null;",
        )
    },
    Mutant {
        alone: true,
        ..mutant(
            "system.sudo-asks",
            "sudo asks for a password, and the owner has none",
            "sudo without a password",
            &[Set("/users/sudo/wheelNeedsPassword", "true")],
            "security.sudo.wheelNeedsPassword = lib.mkForce true;",
        )
    },
    Mutant {
        caught_by: "system.leaves-the-clock",
        also: &["system.time-from-network"],
        // Another zone makes the system's clock wrong as well.
        alone: true,
        ..mutant(
            "system.clock-in-utc",
            "the hardware clock is taken for UTC, and set to it",
            "the system's clock is ",
            &[Set("/system/hardwareClockInLocalTime", "false")],
            "time.hardwareClockInLocalTime = lib.mkForce false;",
        )
    },
    Mutant {
        caught_by: "system.leaves-the-disks",
        held_to: Itself,
        ..mutant(
            "system.swap-taken",
            "a swap partition on the PC's own disk is used",
            "is used as swap: ",
            &[Replace(
                "/texts/fstab",
                "LABEL=Models /mnt/models ",
                "LABEL=InternalSwap none swap nofail 0 0\nLABEL=Models /mnt/models ",
            )],
            r#"swapDevices = [{ device = "/dev/disk/by-label/InternalSwap"; }];"#,
        )
    },
    Mutant {
        caught_by: "system.leaves-the-disks",
        held_to: Itself,
        ..mutant(
            "system.windows-mounted",
            "the partition with Windows is mounted, writable",
            "is mounted: ",
            &[Replace(
                "/texts/fstab",
                "LABEL=Models /mnt/models ",
                "LABEL=Windows /mnt/windows ntfs-3g nofail 0 0\nLABEL=Models /mnt/models ",
            )],
            r#"fileSystems."/mnt/windows" = { device = "LABEL=Windows"; fsType = "ntfs-3g"; options = [ "nofail" ]; };"#,
        )
    },
    Mutant {
        caught_by: "system.leaves-the-disks",
        held_to: Itself,
        ..mutant(
            "system.boot-entry-added",
            "an operating system's boot entry is written to the firmware",
            "boot entry \"L\"",
            &[Add(
                "/texts/units/boot-entry.service",
                // The stand-in is not started by UEFI, so it has no such folder.
                r#"[Service]
Type=oneshot
ExecStart=/bin/mount -t tmpfs tmpfs /sys/firmware
ExecStart=/bin/mkdir -p /sys/firmware/efi/efivars
ExecStart=/bin/sh -c "echo BwAAAAEAAAAQAEwAAAAEBAwAXABhAGIAAAB//wQA | base64 -d > /sys/firmware/efi/efivars/Boot0099-8be4df61-93ca-11d2-aa0d-00e098032b8c"
[Install]
WantedBy=multi-user.target
"#,
            )],
            r#"systemd.services.boot-entry = { wantedBy = [ "multi-user.target" ]; script = "echo BwAAAAEAAAAQAEwAAAAEBAwAXABhAGIAAAB//wQA | base64 -d > /sys/firmware/efi/efivars/Boot0099-8be4df61-93ca-11d2-aa0d-00e098032b8c"; };"#,
        )
    },
    Mutant {
        caught_by: "system.time-from-network",
        held_to: Itself,
        ..mutant(
            "system.utc-saved",
            "a shutdown leaves UTC in the hardware clock",
            "after the shutdown the hardware clock shows",
            &[Add(
                "/texts/units/save-utc.service",
                "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/bin/busybox hwclock -w -u\n[Install]\nWantedBy=multi-user.target\n",
            )],
            r#"systemd.services.save-utc = { wantedBy = [ "multi-user.target" ]; serviceConfig = { Type = "oneshot"; RemainAfterExit = true; }; script = "true"; preStop = "${pkgs.util-linux}/bin/hwclock --systohc --utc --noadjfile"; };"#,
        )
    },
    Mutant {
        caught_by: "system.time-from-network",
        held_to: Itself,
        ..mutant(
            "system.no-network-time",
            "the machine never asks for the time",
            "the system's clock shows",
            &[Add(
                "/texts/units/systemd-timesyncd.service",
                "[Service]\nExecStart=/bin/sleep infinity\n",
            )],
            r#"systemd.services.systemd-timesyncd.serviceConfig.ExecStart = lib.mkForce [ "" "${pkgs.coreutils}/bin/sleep infinity" ];"#,
        )
    },
];
