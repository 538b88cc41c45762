//! Machines that are as they should be until something around them goes wrong.

use super::Edit::{Add, Line, Replace};
use super::{Mutant, in_both, mutant};

const PREPARE: &str = "/scripts/docker-ollama-pre-start";
const IMAGE: &str = "/scripts/ollamalive-image";
const OLLAMA: &str = "/texts/units/docker-ollama.service";
/// Ends the question whether the image is the configured one, where no digest is configured.
const READY: &str = r#"[ -z "$DIGEST" ] && return 0"#;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        also: &[
            "fault.persist-fills-up",
            "fault.drive-errors",
            "fault.drive-pulled",
        ],
        ..in_both(
            "fault.gives-up-after-five",
            "systemd gives up on a container that dies too often",
            "fault.container-killed",
            "after kill 5",
            &[Line(
                OLLAMA,
                "StartLimitIntervalSec=0",
                "StartLimitIntervalSec=3600",
            )],
            "systemd.services.docker-ollama.unitConfig.StartLimitIntervalSec = lib.mkForce 3600;",
        )
    },
    in_both(
        "fault.login-is-noted-down",
        "a login that cannot be recorded in the home folder is refused",
        "fault.persist-fills-up",
        "the owner does not get in",
        &[Replace(
            "/sshd_config",
            "PrintMotd no\n",
            "PrintMotd no\nForceCommand date > ~/.last-login && wc -c < ~/.last-login | grep -vqx 0 && sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
        )],
        r#"services.openssh.extraConfig = ''ForceCommand date > ~/.last-login && wc -c < ~/.last-login | grep -vqx 0 && sh -c "$SSH_ORIGINAL_COMMAND"'';"#,
    ),
    Mutant {
        also: &[
            "fault.container-killed",
            "fault.persist-fills-up",
            "fault.drive-pulled",
        ],
        ..in_both(
            "fault.every-file-is-read",
            "Ollama starts only when every file on the models drive can be read",
            "fault.drive-errors",
            "Ollama: no answer",
            &[Replace(
                PREPARE,
                "rm -f \"$notice\"\n",
                "rm -f \"$notice\"\nfind /mnt/models -type f -exec cat {} + >/dev/null\n",
            )],
            r#"systemd.services.docker-ollama.preStart = lib.mkAfter "find /mnt/models -type f -exec cat {} + >/dev/null";"#,
        )
    },
    in_both(
        "fault.ends-with-the-drive",
        "Ollama ends when the models drive goes",
        "fault.drive-pulled",
        "Ollama: no answer",
        &[Replace(
            OLLAMA,
            "[Unit]\n",
            "[Unit]\nBindsTo=mnt-models.mount\n",
        )],
        r#"systemd.services.docker-ollama.bindsTo = [ "mnt-models.mount" ];"#,
    ),
    in_both(
        "fault.waits-for-a-cable",
        "the boot waits for a cable, and fails without one",
        "fault.no-network",
        "wait-for-cable.service",
        &[
            Add(
                "/texts/units/wait-for-cable.service",
                "[Service]\nType=oneshot\nExecStart=/nix/store/wait-for-cable\n[Install]\nWantedBy=multi-user.target\n",
            ),
            Add(
                "/scripts/wait-for-cable",
                "#!/bin/sh\nfor turn in $(seq 20); do if cat /sys/class/net/e*/carrier | grep -qx 1; then exit 0; fi; sleep 1; done; exit 1\n",
            ),
        ],
        r#"systemd.services.wait-for-cable = { script = "for turn in $(seq 20); do if cat /sys/class/net/e*/carrier | grep -qx 1; then exit 0; fi; sleep 1; done; exit 1"; wantedBy = [ "multi-user.target" ]; serviceConfig.Type = "oneshot"; };"#,
    ),
    Mutant {
        also: &[
            "fault.no-network",
            "fault.clock-at-1970",
            "fault.archive-corrupt",
            "fault.image-swapped",
        ],
        ..in_both(
            "fault.gives-up-on-dhcp",
            "a card without an address after half a minute is switched off",
            "fault.dhcp-late",
            "SSH did not answer",
            &[
                Add(
                    "/texts/units/give-up.service",
                    "[Service]\nType=simple\nExecStart=/nix/store/give-up\n[Install]\nWantedBy=multi-user.target\n",
                ),
                Add(
                    "/scripts/give-up",
                    "#!/bin/sh\nuntil cat /sys/class/net/e*/carrier 2>/dev/null | grep -qx 1; do sleep 1; done; sleep 30; if ! ip -4 route | grep -q default; then systemctl stop systemd-networkd.socket systemd-networkd; for card in /sys/class/net/e*; do ip link set ${card##*/} down; done; fi\n",
                ),
            ],
            r#"systemd.services.give-up = { path = [ pkgs.iproute2 ]; script = "until cat /sys/class/net/e*/carrier 2>/dev/null | grep -qx 1; do sleep 1; done; sleep 30; if ! ip -4 route | grep -q default; then systemctl stop NetworkManager; for card in /sys/class/net/e*; do ip link set \${card##*/} down; done; fi"; wantedBy = [ "multi-user.target" ]; };"#,
        )
    },
    Mutant {
        also: &[
            "fault.archive-corrupt",
            "fault.image-swapped",
            "fault.no-network",
        ],
        ..in_both(
            "fault.waits-for-the-time",
            "Ollama starts only when the files on the stick are, by the clock, less than a year old",
            "fault.clock-at-1970",
            "Ollama: no answer",
            &[Replace(
                PREPARE,
                "notice=/run/ollamalive/notices/models\n",
                "age=$(( $(date +%s) - $(stat -c %Y /persist/images/ollama.tar) ))\ntest $age -gt 0 -a $age -lt 31536000\nnotice=/run/ollamalive/notices/models\n",
            )],
            r#"systemd.services.docker-ollama.preStart = lib.mkBefore "age=$(( $(date +%s) - $(stat -c %Y /persist/images/ollama.tar) )); test $age -gt 0 -a $age -lt 31536000";"#,
        )
    },
    Mutant {
        also: &["fault.clock-at-1970", "fault.image-swapped"],
        ..in_both(
            "fault.trusts-every-archive",
            "an archive that Docker cannot read ends the start",
            "fault.archive-corrupt",
            "the good archive beside them is not used",
            &[Replace(
                IMAGE,
                r#"elif ! content=$(docker load --input "$archive"); then"#,
                "elif content=$(docker load --input \"$archive\") || exit 1; false; then",
            )],
            r#"systemd.services.docker-ollama.preStart = lib.mkBefore "for archive in /persist/images/*.tar; do docker load --input $archive; done";"#,
        )
    },
    Mutant {
        also: &["fault.clock-at-1970", "fault.image-swapped"],
        ..mutant(
            "fault.takes-any-archive",
            "the first archive that Docker can read is taken for Ollama's, whatever it holds",
            "fault.archive-corrupt",
            "the archive of another image is not skipped",
            &[
                Replace(IMAGE, r#"&& ! is_among "$names"; then"#, "&& false; then"),
                Replace(
                    IMAGE,
                    r#"elif grep -qxF "Loaded image: $IMAGE" <<<"$content"; then"#,
                    r#"elif docker tag "${content#Loaded image: }" "$IMAGE"; then"#,
                ),
            ],
            None,
        )
    },
    mutant(
        "fault.unchecked-digest-unsaid",
        "nothing says that an archive's digest is not checked",
        "fault.archive-corrupt",
        "the journal does not say that the digest was not checked",
        &[Replace(
            IMAGE,
            "Its digest is not checked: loaded from an archive, as $id",
            "It is $id",
        )],
        None,
    ),
    mutant(
        "fault.any-image-of-the-name",
        "an image with the configured name is run, whatever it is",
        "fault.image-swapped",
        "stays with the other image",
        &[Replace(IMAGE, READY, "return 0")],
        None,
    ),
];
