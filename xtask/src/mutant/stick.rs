//! A stick that is made wrongly, taken for another, or does not keep what it promises; and its FAT partition.

use super::Edit::{Add, Line, Remove, Replace};
use super::{Mutant, mutant};

const PERSIST: &str = "/scripts/persist-start";
const PERSIST_UNIT: &str = "/texts/units/persist.service";
const IMPORT: &str = "/scripts/esp-import-start";
const REPORT: &str = "/scripts/esp-report-start";

/// For NixOS: /home is in memory, and saved only on a clean shutdown.
pub const HOME_IN_MEMORY: &str = r#"systemd.services.home-in-memory = { path = [ pkgs.util-linux ]; script = "mkdir -p /run/saved && mount --bind /persist/home /run/saved && mount -t tmpfs -o mode=0755 tmpfs /persist/home && cp -a /run/saved/. /persist/home"; preStop = "cp -a /persist/home/. /run/saved && sync"; wantedBy = [ "multi-user.target" ]; before = [ "sshd.service" ]; serviceConfig = { Type = "oneshot"; RemainAfterExit = true; }; };"#;

pub const MUTANTS: &[Mutant] = &[
    mutant(
        "stick.folder-open-to-all",
        "everybody may read and change the connections, passwords included",
        "persist.created-on-first-boot",
        "/persist/network 777",
        &[Replace(
            PERSIST,
            "install -d -o 0 -g 0 -m 0700 network",
            "install -d -o 0 -g 0 -m 0777 network",
        )],
        Some(
            r#"boot.initrd.systemd.services.persist.postStart = "chmod 0777 /sysroot/persist/network";"#,
        ),
    ),
    mutant(
        "stick.does-not-grow",
        "a PERSIST that was copied to a larger stick stays as small as it was",
        "persist.mounted",
        "did not grow with its partition",
        &[Replace(
            PERSIST,
            r#"resize2fs "$device" "$(($(most_bytes) / 1024))K" >/dev/null 2>&1 || true"#,
            ":",
        )],
        None,
    ),
    mutant(
        "stick.persist-to-the-end",
        "a new file system ends with its partition",
        "persist.survives-emptied-ends",
        "has lost bytes",
        &[
            Replace(
                PERSIST,
                r#" "$device" $(($(most_bytes) / 4096))"#,
                r#" "$device""#,
            ),
            Replace(
                PERSIST,
                r#"resize2fs "$device" "$(($(most_bytes) / 1024))K" >/dev/null 2>&1 || true"#,
                r#"resize2fs "$device" >/dev/null 2>&1 || true"#,
            ),
        ],
        None,
    ),
    mutant(
        "stick.rights-stay-open",
        "connections that everyone can read stay so",
        "persist.repairs-rights",
        "after chmod -R and a restart there is 777",
        &[Replace(
            PERSIST,
            "repair 0600 ssh/ssh_host_*_key network/* || true",
            "repair 0600 ssh/ssh_host_*_key || true",
        )],
        None,
    ),
    mutant(
        "stick.noise-is-formatted",
        "a PERSIST that has lost its beginning is formatted",
        "boot.broken-persist",
        "Garbage: PERSIST was formatted",
        &[Replace(
            PERSIST,
            "if superblock_copy; then",
            "if false; then",
        )],
        None,
    ),
    mutant(
        "stick.write-protection-unseen",
        "a write-protected stick is treated like a writable one",
        "boot.broken-persist",
        "ReadOnly: the login banner says",
        &[Replace(
            PERSIST,
            r#"if [ "$(blockdev --getro "$device")" = 1 ]; then"#,
            "if false; then",
        )],
        None,
    ),
    mutant(
        "stick.another-is-taken",
        "of two sticks the last one is used, whichever the machine was started from",
        "persist.of-the-booted-stick",
        r#"whose marker says "another's""#,
        &[Replace(
            PERSIST,
            "device=/dev/ollamalive/PERSIST",
            r#"device=$(udevadm settle; lsblk -nrpo NAME,PARTLABEL | grep " PERSIST" | tail -n 1 | cut -d " " -f 1)"#,
        )],
        None,
    ),
    mutant(
        "stick.another-grows",
        "PERSIST is enlarged on the other one of two sticks as well",
        "persist.of-the-booted-stick",
        "the partition table of the other stick",
        &[Replace(
            PERSIST,
            "find_persist || return 1",
            r#"find_persist || return 1; booted=$(readlink -f /dev/ollamalive/stick); for disk in $(lsblk -dnrpo NAME,PTUUID | grep 4f6c6c61 | cut -d " " -f 1); do [ "$disk" = "$booted" ] || systemd-repart --dry-run=no "$disk"; done"#,
        )],
        None,
    ),
    Mutant {
        also: &["persist.survives-power-cut"],
        ..mutant(
            "stick.home-emptied",
            "what is in /home is removed whenever the machine is started",
            "persist.survives-reflash",
            "after a reflash the data is",
            &[Replace(
                PERSIST_UNIT,
                "[Service]\n",
                "[Service]\nExecStartPost=/bin/sh -c \"rm -rf /persist/home/*\"\n",
            )],
            Some(
                r#"boot.initrd.systemd.services.persist.postStart = "rm -rf /sysroot/persist/home/*";"#,
            ),
        )
    },
    Mutant {
        also: &["boot.comes-back-quietly", "persist.survives-reflash"],
        ..mutant(
            "stick.home-saved-at-shutdown",
            "/home is in memory and saved to PERSIST only on a clean shutdown",
            "persist.survives-power-cut",
            "after a power cut the data is",
            &[Add(
                "/texts/units/home-in-memory.service",
                "[Unit]\nBefore=sshd.service\n\
                 [Service]\nType=oneshot\nRemainAfterExit=true\n\
                 ExecStart=/bin/sh -c \"mkdir -p /run/saved && mount --bind /persist/home /run/saved && mount -t tmpfs -o mode=0755 tmpfs /persist/home && cp -a /run/saved/. /persist/home\"\n\
                 ExecStop=/bin/sh -c \"cp -a /persist/home/. /run/saved && sync\"\n\
                 [Install]\nWantedBy=multi-user.target\n",
            )],
            Some(HOME_IN_MEMORY),
        )
    },
    mutant(
        "stick.root-kept",
        "/root is kept, although it is not on the list",
        "persist.forgets-the-rest",
        "there is still /root/forgotten",
        &[
            Replace(
                PERSIST_UNIT,
                "[Service]\n",
                "[Service]\nExecStartPost=install -d -m 0700 /persist/root\n",
            ),
            Line(
                "/texts/fstab",
                "# Filesystems.",
                "/persist/root /root none bind,nofail,x-systemd.after=persist.service,x-systemd.before=local-fs.target 0 0",
            ),
        ],
        Some(
            r#"boot.initrd.systemd.services.persist.postStart = "install -d -m 0700 /sysroot/persist/root"; fileSystems."/root" = { device = "/persist/root"; fsType = "none"; neededForBoot = true; options = [ "bind" "nofail" "x-systemd.after=persist.service" ]; };"#,
        ),
    ),
    Mutant {
        alone: true,
        ..mutant(
            "esp.keys-unread",
            "keys on the stick's FAT partition are not imported",
            "ssh.key-from-esp",
            "the key in ollamalive/authorized_keys on the ESP was refused",
            &[Remove("/texts/units/esp-import.service")],
            Some("systemd.services.esp-import.enable = lib.mkForce false;"),
        )
    },
    mutant(
        "esp.weak-key-taken",
        "an RSA key of 1024 bits is imported",
        "ssh.key-from-esp",
        "the journal does not say that a key of 1024 bits",
        &[Replace(
            IMPORT,
            r#"[ "$bits" -lt 2048 ]"#,
            r#"[ "$bits" -lt 1024 ]"#,
        )],
        None,
    ),
    mutant(
        "esp.withdrawn-key-comes-back",
        "a key that was withdrawn is imported again at every boot",
        "ssh.key-from-esp",
        "a key that was withdrawn came back",
        &[Replace(IMPORT, r#"[ -n "$before" ] || remember"#, ":")],
        Some(r#"systemd.services.esp-import.postStart = "rm -f /persist/ssh/taken-from-esp";"#),
    ),
    mutant(
        "esp.connection-readable",
        "everybody may read the password of the Wi-Fi",
        "network.from-esp",
        "NetworkManager ignores it: 644",
        &[Replace(
            IMPORT,
            "(umask 077 && mkdir",
            "(umask 022 && mkdir",
        )],
        Some(r#"systemd.services.esp-import.postStart = "chmod 0644 /persist/network/*";"#),
    ),
    mutant(
        "esp.any-option-taken",
        "a line is taken whatever is before the key",
        "ssh.key-from-esp",
        "the journal does not say that a key behind a title",
        &[Replace(
            IMPORT,
            r#"if [ -n "$options" ] && ! good_options "$options"; then"#,
            "if false; then",
        )],
        None,
    ),
    mutant(
        "esp.notepads-name-unread",
        "authorized_keys.txt is passed over",
        "ssh.key-from-esp",
        "the journal does not say that Notepad's key",
        &[Replace(
            IMPORT,
            "*/authorized_keys | */authorized_keys.txt | ",
            "*/authorized_keys | ",
        )],
        None,
    ),
    mutant(
        "esp.names-are-patterns",
        "the name of a connection is used as a pattern, so that [5G] is taken at every boot",
        "network.from-esp",
        "after [5G] home.nmconnection was removed there is",
        &[Replace(
            IMPORT,
            r#"grep -qsxF -e "$record""#,
            r#"grep -qsx -e "$record""#,
        )],
        None,
    ),
    mutant(
        "esp.utf-16-as-it-is",
        "a connection in UTF-16 is copied without being converted",
        "network.from-esp",
        "the content of [5G] home.nmconnection is",
        &[Replace(
            IMPORT,
            r#"cat "$1" > "$persist/network/.new""#,
            r#"cat "$2" > "$persist/network/.new""#,
        )],
        None,
    ),
    mutant(
        "esp.foreign-files-unnamed",
        "files of other systems are passed over in silence",
        "stick.reports-files",
        "REPORT.txt does not say \"NetworkManager\" of wpa_supplicant.conf",
        &[Replace(
            IMPORT,
            "wpa_supplicant*.conf | *.yaml",
            "wpa_supplicant*.conf | network-config) return ;; *.yaml",
        )],
        None,
    ),
    mutant(
        "esp.report-always-written",
        "the report is written to the stick although nothing has changed",
        "stick.reports-files",
        "although nothing had changed",
        &[Replace(
            REPORT,
            r#"elif ! cmp -s "$1" "$esp/ollamalive/REPORT.txt"; then"#,
            "else",
        )],
        None,
    ),
    mutant(
        "esp.write-protection-unsaid",
        "a report that cannot be written is passed over in silence",
        "stick.reports-files",
        "of a partition that is write-protected it says",
        &[Replace(
            REPORT,
            r#"why="the stick is write-protected""#,
            ":",
        )],
        None,
    ),
];
