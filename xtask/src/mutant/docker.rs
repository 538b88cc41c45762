//! Docker's state in the wrong place, or Docker too early.

use super::Edit::{Line, Set};
use super::HeldTo::Itself;
use super::Mutant;

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
];
