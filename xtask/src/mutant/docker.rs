//! Docker's state in the wrong place, Docker too early, or images that are never removed or should not be.

use super::Edit::{Line, Remove, Replace, Set};
use super::HeldTo::Itself;
use super::{Mutant, in_both};

const PRUNES: &str = "docker.prunes-weekly";
const TIMER: &str = "/texts/units/docker-image-prune.timer";
const SCRIPT: &str = "/scripts/docker-image-prune-start";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "docker.does-not-wait",
        breaks: "Docker does not wait for the mount of its data root",
        caught_by: "docker.state-on-persist",
        symptom: "does not wait for its mount",
        also: &[],
        edits: &[Line(
            "/texts/units/docker.service",
            "RequiresMountsFor=",
            "",
        )],
        nixos: Some("systemd.services.docker.unitConfig.RequiresMountsFor = lib.mkForce [ ];"),
        held_to: Itself,
        comes_up: true,
        alone: false,
    },
    Mutant {
        id: "docker.data-root-in-memory",
        breaks: "Docker's data root is not on PERSIST",
        caught_by: "docker.state-on-persist",
        symptom: "/run/docker-data is on",
        also: &[],
        edits: &[Set("/docker/dataRoot", r#""/run/docker-data""#)],
        nixos: Some(r#"virtualisation.docker.daemon.settings.data-root = "/run/docker-data";"#),
        held_to: Itself,
        comes_up: true,
        alone: false,
    },
    Mutant {
        id: "docker.mount-in-memory",
        breaks: "Docker's data root is mounted, but from memory",
        caught_by: "docker.state-on-persist",
        symptom: "/var/lib/docker is on",
        also: &["persist.bind-mounts"],
        edits: &[Line(
            "/texts/fstab",
            " /var/lib/docker ",
            "tmpfs /var/lib/docker tmpfs mode=0710 0 0",
        )],
        nixos: Some(
            r#"fileSystems."/var/lib/docker" = lib.mkForce { device = "tmpfs"; fsType = "tmpfs"; options = [ "mode=0710" ]; };"#,
        ),
        held_to: Itself,
        comes_up: true,
        alone: false,
    },
    in_both(
        "docker.never-prunes",
        "no timer removes unused images",
        PRUNES,
        "docker-image-prune.timer is inactive",
        &[Remove(TIMER)],
        "systemd.timers.docker-image-prune.enable = lib.mkForce false;",
    ),
    in_both(
        "docker.missed-prunes-forgotten",
        "images are removed only on a PC that is on at the time",
        PRUNES,
        "was not made up for",
        &[Line(TIMER, "Persistent=", "")],
        "systemd.timers.docker-image-prune.timerConfig.Persistent = lib.mkForce false;",
    ),
    in_both(
        "docker.prunes-once-a-year",
        "images are removed once a year",
        PRUNES,
        "was not made up for",
        &[Line(TIMER, "OnCalendar=", "OnCalendar=yearly")],
        r#"systemd.timers.docker-image-prune.timerConfig.OnCalendar = lib.mkForce "yearly";"#,
    ),
    Mutant {
        also: &["persist.bind-mounts"],
        ..in_both(
            "docker.prune-times-in-memory",
            "the time of the last removal is forgotten at each restart",
            PRUNES,
            "the time of the last run is on device",
            &[Line("/texts/fstab", " /var/lib/systemd/timers ", "")],
            r#"fileSystems."/var/lib/systemd/timers".enable = lib.mkForce false;"#,
        )
    },
    in_both(
        "docker.prunes-configured-image",
        "Ollama's own image is removed while no container uses it",
        PRUNES,
        "the configured image is gone",
        &[Line(SCRIPT, "docker create", "")],
        r#"systemd.services.docker-image-prune.script = lib.mkForce "docker image prune --all --force";"#,
    ),
    in_both(
        "docker.keeps-named-images",
        "unused images stay if they have a name",
        PRUNES,
        "an unused image is still there",
        &[Replace(
            SCRIPT,
            "docker image prune --all --force",
            "docker image prune --force",
        )],
        r#"systemd.services.docker-image-prune.script = lib.mkForce "docker image prune --force";"#,
    ),
];
