//! Updates that are taken from anybody, or that do not come back. Whoever decides about an update is mutated on the host, where each
//! decision has its case (xtask/tests/update_decision); here are the defects of the machine around it.

use super::Edit::Replace;
use super::{Mutant, in_both, mutant};

const UPDATE: &str = "/scripts/ollamalive-update";
const PERSIST: &str = "/scripts/persist-start";

pub const MUTANTS: &[Mutant] = &[
    mutant(
        "update.new-machine-id",
        "the machine ID is a new one at each boot",
        "update.moves-from-layout-1",
        "the machine ID differ",
        &[Replace(PERSIST, "[ -s machine-id ] || tr", "tr")],
        None,
    ),
    in_both(
        "update.other-layout-taken",
        "the machine takes its stick for one of layout 3",
        "update.refuses",
        "another layout: exit 0",
        &[Replace("/update/osRelease/OLLAMALIVE_LAYOUT", "2", "3")],
        "system.nixos.extraOSReleaseArgs.OLLAMALIVE_LAYOUT = lib.mkForce \"3\";",
    ),
    in_both(
        "update.trial-waits",
        "a new version that does not start waits for somebody at the screen",
        "update.falls-back",
        "does not restart",
        &[Replace(UPDATE, "usage", "Usage")],
        "boot.initrd.systemd.services.trial-failed.enable = false;",
    ),
    in_both(
        "update.another-key",
        "the machine trusts another key than the one that releases are signed with",
        "update.from-network",
        "is not signed with the key of this system",
        &[Replace(UPDATE, "GOODSIG", "BADSIG")],
        "environment.etc.\"systemd/import-pubring.gpg\".source = lib.mkForce \"${pkgs.writeText \"none\" \"\"}\";",
    ),
    in_both(
        "update.new-host-key",
        "the host key is not on PERSIST",
        "update.keeps-persist",
        "the host keys changed",
        &[Replace(
            "/sshd_config",
            "PermitRootLogin no",
            "HostKey /etc/ssh/key\nPermitRootLogin no",
        )],
        "services.openssh.hostKeys = lib.mkForce [ { type = \"ed25519\"; path = \"/etc/ssh/ssh_host_ed25519_key\"; } ];",
    ),
];
