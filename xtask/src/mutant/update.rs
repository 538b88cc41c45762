//! Updates that are accepted from anyone, or are not undone. The rules that decide about an update have their mutants in
//! xtask/tests/update_decision, which needs no machine; here are defects of the rest. Only NixOS has two slots.

use super::Edit::Replace;
use super::{Mutant, in_both, mutant, stick};

const PERSIST: &str = "/scripts/persist-start";

/// A defect of the image that is updated and of the newer one.
const fn on_nixos(
    id: &'static str,
    breaks: &'static str,
    caught_by: &'static str,
    symptom: &'static str,
    nixos: &'static str,
) -> Mutant {
    Mutant {
        alone: true,
        ..in_both(id, breaks, caught_by, symptom, &[], nixos)
    }
}

pub const MUTANTS: &[Mutant] = &[
    mutant(
        "update.new-machine-id",
        "the machine ID is a new one at each boot",
        "update.moves-from-layout-1",
        "the machine ID differ",
        &[Replace(PERSIST, "[ -s machine-id ] || tr", "tr")],
        None,
    ),
    on_nixos(
        "update.other-layout-taken",
        "the machine takes its stick for one of layout 3",
        "update.refuses",
        "another layout: exit 0",
        "system.nixos.extraOSReleaseArgs.OLLAMALIVE_LAYOUT = lib.mkForce \"3\";",
    ),
    on_nixos(
        "update.trial-waits",
        "a PC whose new version does not start waits for input at its console, and does not restart",
        "update.falls-back",
        "does not restart",
        "boot.initrd.systemd.services.trial-failed.enable = false;",
    ),
    on_nixos(
        "update.another-key",
        "the machine does not know the key that releases are signed with",
        "update.from-network",
        "is not signed with the key",
        "environment.etc.\"systemd/import-pubring.gpg\".source = lib.mkForce (pkgs.writeText \"no-key\" \"\");",
    ),
    on_nixos(
        "update.new-host-key",
        "the host key is not on PERSIST",
        "update.keeps-persist",
        "the host keys changed",
        "services.openssh.hostKeys = lib.mkForce [ { type = \"ed25519\"; path = \"/etc/ssh/ssh_host_ed25519_key\"; } ];",
    ),
    on_nixos(
        "update.no-verity",
        "blocks whose hash differs are read all the same",
        "boot.store-damaged",
        "a system with a changed byte runs",
        "boot.kernelParams = [ \"systemd.verity_usr_options=ignore-corruption\" ];",
    ),
    on_nixos(
        "update.no-second-slot",
        "no partition has the type that a new store is written to",
        "update.twice",
        "the second update was not installed",
        "environment.etc.\"sysupdate.d/20-store.transfer\".source = lib.mkForce (pkgs.writeText \"store\" ''
           [Transfer]
           ProtectVersion=%A
           [Source]
           Type=url-file
           Path=http://192.0.2.81/
           MatchPattern=ollamalive_@v_@u.store
           [Target]
           Type=partition
           Path=/dev/ollamalive/stick
           MatchPattern=store_@v
           MatchPartitionType=srv
         '');",
    ),
    on_nixos(
        "update.no-watchdog",
        "the watchdog is not used",
        "update.undoes-crashes",
        "does not restart when its PID 1 hangs",
        "systemd.settings.Manager.RuntimeWatchdogSec = lib.mkForce \"0\";",
    ),
    on_nixos(
        "update.panic-stays",
        "a PC whose kernel has panicked stays so",
        "update.undoes-crashes",
        "does not restart when its kernel panics",
        "boot.kernelParams = lib.mkAfter [ \"panic=0\" ];",
    ),
    on_nixos(
        "update.any-version-is-well",
        "a new version is declared good whatever it does",
        "update.by-push",
        "does not restart",
        "systemd.services.ollamalive-trial.script = lib.mkForce \":\";",
    ),
    on_nixos(
        "update.home-saved-at-shutdown",
        "/home is in memory and saved to PERSIST only on a clean shutdown",
        "update.survives-power-cut",
        "the owner's file changed",
        stick::HOME_IN_MEMORY,
    ),
];
