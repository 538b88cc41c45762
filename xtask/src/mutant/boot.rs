//! Machines that do not come up, or not quietly.

use super::Edit::{Add, Line, RemoveItem, Replace, Set};
use super::{Mutant, in_both, mutant};

pub const MUTANTS: &[Mutant] = &[
    mutant(
        "boot.failing-unit",
        "a unit fails while the machine boots",
        "boot.reaches-target",
        "broken.service has failed",
        &[Add(
            "/texts/units/broken.service",
            "[Service]\nType=oneshot\nExecStart=/bin/sh -c \"exit 1\"\n[Install]\nWantedBy=multi-user.target\n",
        )],
        Some(
            r#"systemd.services.broken = { script = "exit 1"; wantedBy = [ "multi-user.target" ]; serviceConfig.Type = "oneshot"; };"#,
        ),
    ),
    mutant(
        "boot.restless-unit",
        "a unit keeps restarting, and so never counts as failed",
        "boot.reaches-target",
        "restless.service was restarted",
        &[Add(
            "/texts/units/restless.service",
            "[Unit]\nDefaultDependencies=false\nStartLimitIntervalSec=0\n\
             [Service]\nRestart=always\nRestartSec=1\nExecStart=/bin/sh -c \"exit 1\"\n\
             [Install]\nWantedBy=sysinit.target\n",
        )],
        Some(
            r#"systemd.services.restless = { script = "exit 1"; wantedBy = [ "multi-user.target" ]; serviceConfig = { Restart = "always"; RestartSec = 1; }; unitConfig.StartLimitIntervalSec = 0; };"#,
        ),
    ),
    in_both(
        "boot.fails-the-second-time",
        "a unit fails whenever the machine has been started before",
        "boot.comes-back-quietly",
        "first-time-only.service",
        &[Add(
            "/texts/units/first-time-only.service",
            "[Unit]\nAfter=persist.service\n\
             [Service]\nType=oneshot\nExecStart=/bin/sh -ec \"[ ! -e /persist/started ]; touch /persist/started\"\n\
             [Install]\nWantedBy=multi-user.target\n",
        )],
        r#"systemd.services.first-time-only = { script = "[ ! -e /persist/started ]; touch /persist/started"; wantedBy = [ "multi-user.target" ]; serviceConfig.Type = "oneshot"; };"#,
    ),
    Mutant {
        // systemd breaks the cycle by leaving one of the two out.
        also: &[
            "ollama.answers",
            "ollama.models-on-drive",
            "ollama.without-gpu",
            "firewall.only-open-ports",
            "firewall.published-ports-contained",
            "gpu.late-driver",
            "gpu.survives-daemon-reload",
            "gpu.cpu-reported",
            "gpu.empty-list",
        ],
        ..mutant(
            "boot.ordering-cycle",
            "two units wait for each other",
            "boot.reaches-target",
            "ordering cycle",
            &[Replace(
                "/texts/units/gpu-fallback.service",
                "[Unit]\n",
                "[Unit]\nAfter=docker-ollama.service\n",
            )],
            Some(r#"systemd.services.gpu-fallback.after = [ "docker-ollama.service" ];"#),
        )
    },
    mutant(
        "boot.file-system-error",
        "the kernel reports an error of a file system on the console",
        "boot.reaches-target",
        "file system error: EXT4-fs error (device vda3)",
        &[Add(
            "/texts/units/broken-disk.service",
            "[Service]\nType=oneshot\n\
             ExecStart=/bin/sh -c \"echo 'EXT4-fs error (device vda3): ext4_lookup:1855: inode #2: comm ls: deleted inode referenced: 12' > /dev/console\"\n\
             [Install]\nWantedBy=multi-user.target\n",
        )],
        Some(
            r#"systemd.services.broken-disk = { script = "echo 'EXT4-fs error (device vda3): ext4_lookup:1855: inode #2: comm ls: deleted inode referenced: 12' > /dev/console"; wantedBy = [ "multi-user.target" ]; serviceConfig.Type = "oneshot"; };"#,
        ),
    ),
    Mutant {
        comes_up: false,
        ..mutant(
            "boot.no-serial-console",
            "a machine without a screen shows nothing",
            "boot.reaches-target",
            "the console did not show",
            &[RemoveItem(
                "/system/kernelParams",
                r#""console=ttyS0,115200""#,
            )],
            Some(
                r#"boot.kernelParams = lib.mkForce [ "console=tty0" "systemd.verity_usr_data=/dev/ollamalive/STORE" "systemd.verity_usr_hash=/dev/ollamalive/VERITY" ];"#,
            ),
        )
    },
    mutant(
        "boot.nothing-in-place-of-persist",
        "without PERSIST nothing in memory replaces it",
        "boot.no-drives",
        "/persist is not in memory",
        &[Replace(
            "/scripts/persist-start",
            r#"mount -t tmpfs -o size=50%,mode=0755 tmpfs "$root/persist""#,
            ":",
        )],
        None,
    ),
    mutant(
        "boot.silent-without-persist",
        "the owner does not learn that PERSIST is missing",
        "boot.no-drives",
        r#""NOTHING IS KEPT": Ollama"#,
        &[Replace(
            "/texts/units/persist.service",
            "[Service]\n",
            "[Service]\nExecStartPost=rm -f /run/ollamalive/notices/persist\n",
        )],
        Some(
            r#"boot.initrd.systemd.services.persist.postStart = "rm -f /run/ollamalive/notices/persist";"#,
        ),
    ),
    mutant(
        "boot.silent-without-models",
        "the owner does not learn that the models drive is missing",
        "boot.no-drives",
        r#""LABEL=Models": Ollama"#,
        // The unit that needs the drive says so, the watch sees it, and otherwise repeats the unit's last line.
        &[
            Replace(
                "/scripts/docker-ollama-pre-start",
                r#" | tee "$notice""#,
                "",
            ),
            Replace(
                "/scripts/ollamalive-health.jq",
                r#"one("drive-missing")"#,
                "empty",
            ),
            Replace(
                "/scripts/ollamalive-health.jq",
                r#"($unit.NRestarts // "0" | number) < $many"#,
                "true",
            ),
        ],
        None,
    ),
    Mutant {
        alone: true,
        ..mutant(
            "boot.notice-unshown",
            "the notice that PERSIST is missing is written, but not shown at login",
            "boot.no-drives",
            r#""NOTHING IS KEPT": ;"#,
            &[Set("/scripts/login-shell-init", r#""""#)],
            Some(r#"environment.loginShellInit = lib.mkForce "";"#),
        )
    },
    Mutant {
        comes_up: false,
        ..mutant(
            "boot.needs-models-drive",
            "the machine does not come up without its models drive",
            "boot.no-drives",
            "emergency mode",
            &[Line(
                "/texts/fstab",
                " /mnt/models ",
                "LABEL=Models /mnt/models ntfs-3g defaults 0 2",
            )],
            Some(r#"fileSystems."/mnt/models".options = lib.mkForce [ "defaults" ];"#),
        )
    },
];
