//! A machine that does not know why it does not serve, or keeps it to itself.

use super::Edit::{Line, Replace};
use super::{Mutant, in_both, mutant};

const DECISION: &str = "/scripts/ollamalive-health.jq";
const CAUSES: &str = "/scripts/ollamalive-health.json";
const WATCH: &str = "/scripts/ollamalive-health";
const UNIT: &str = "/texts/units/ollamalive-health.service";

/// One cause is not found. The texts are the project's own, so no option of NixOS leads to it.
macro_rules! unsaid {
    ($cause:literal, $promise:literal, $place:expr, $from:expr, $to:expr) => {
        mutant(
            concat!("health.", $cause, "-unsaid"),
            concat!("the cause ", $cause, " is not found"),
            concat!("health.", $promise),
            concat!($cause, " is not said"),
            &[Replace($place, $from, $to)],
            None,
        )
    };
    ($cause:literal, $promise:literal) => {
        unsaid!(
            $cause,
            $promise,
            DECISION,
            concat!("one(\"", $cause, "\")"),
            "empty"
        )
    };
}

pub const MUTANTS: &[Mutant] = &[
    in_both(
        "health.unwatched",
        "nothing watches over Ollama",
        "health.told",
        "it does not notice that Ollama serves",
        &[Line(UNIT, "WantedBy=multi-user.target", "")],
        "systemd.services.ollamalive-health.wantedBy = lib.mkForce [ ];",
    ),
    mutant(
        "health.status-untold",
        "systemd is not told the state",
        "health.told",
        "the unit's status does not say",
        &[Replace(
            WATCH,
            "systemd-notify --status=\"$(tr '\\n' ' ' < \"$folder/status.txt\")\"",
            ":",
        )],
        None,
    ),
    mutant(
        "health.not-logged",
        "the state is not logged",
        "health.told",
        "the journal does not say that Ollama serves",
        &[Replace(
            WATCH,
            "    cat \"$folder/status.txt\"\n",
            "    :\n",
        )],
        None,
    ),
    Mutant {
        also: &["ollama.without-gpu", "ollama.warns-of-space"],
        ..in_both(
            "health.no-banner",
            "the login banner shows nothing",
            "health.told",
            "the login banner does not say",
            &[Line("/scripts/login-shell-init", "status", ":")],
            "environment.loginShellInit = lib.mkForce \"\";",
        )
    },
    unsaid!(
        "gpu-none",
        "told",
        CAUSES,
        r#""words":"No NVIDIA GPU found""#,
        r#""words":"other words""#
    ),
    unsaid!(
        "little-space",
        "told",
        CAUSES,
        r#""words":"are free for models""#,
        r#""words":"other words""#
    ),
    unsaid!("no-name-server", "network"),
    unsaid!("no-network-card", "cable"),
    unsaid!("no-wifi-card", "cable"),
    unsaid!("no-cable", "cable"),
    unsaid!("no-address", "cable"),
    unsaid!(
        "drive-twice",
        "drive",
        DECISION,
        r#"one("drive-twice"; { paths: [$drives[].path] | join(", ") })"#,
        "empty"
    ),
    unsaid!("drive-missing", "drives"),
    unsaid!(
        "drive-file-system",
        "drives",
        DECISION,
        r#"one("drive-file-system"; { fileSystem: ($drives[0].fstype // "unknown") })"#,
        "empty"
    ),
    unsaid!(
        "drive-refs",
        "drives",
        DECISION,
        r#"one("drive-refs"; { paths: $refs | join(", ") })"#,
        "empty"
    ),
    unsaid!(
        "drive-bitlocker",
        "drives",
        DECISION,
        r#"one("drive-bitlocker"; { paths: $locked | join(", ") })"#,
        "empty"
    ),
    unsaid!("drive-damaged", "drives"),
    unsaid!("drive-read-only", "drives"),
    unsaid!("drive-hibernated", "drives"),
    unsaid!(
        "restarts",
        "container",
        DECISION,
        r#"($unit.NRestarts // "0" | number) < $many"#,
        "true"
    ),
    unsaid!(
        "port-taken",
        "container",
        DECISION,
        r#"one("port-taken"; $listener)"#,
        "empty"
    ),
    unsaid!(
        "image-architecture",
        "image",
        CAUSES,
        "exec format error|",
        ""
    ),
    unsaid!(
        "image-damaged",
        "image",
        CAUSES,
        "(stat|exec) [^ ]*/ollama: no such file or directory|",
        ""
    ),
    unsaid!(
        "archive-unreadable",
        "image",
        CAUSES,
        "is not an image archive\",\"says",
        "is no archive\",\"says"
    ),
    unsaid!(
        "archive-other",
        "image",
        CAUSES,
        ") does not hold [^ ]* ",
        ") holds [^ ]* "
    ),
    unsaid!(
        "registry-name",
        "image",
        CAUSES,
        "lookup (?<host>",
        "looking up (?<host>"
    ),
    unsaid!(
        "registry-unreachable",
        "registry",
        CAUSES,
        "\"dial tcp|",
        "\""
    ),
    unsaid!(
        "image-unknown",
        "registry",
        CAUSES,
        "\"manifest unknown|manifest for .* not found|",
        "\""
    ),
    unsaid!(
        "registry-too-many",
        "registry",
        CAUSES,
        "\"toomanyrequests|429 Too Many Requests\"",
        "\"429 downloads\""
    ),
    unsaid!("stopped", "stopped"),
    unsaid!("docker-down", "stopped"),
    unsaid!("unanswered", "stopped"),
    unsaid!("persist-full", "persist"),
    unsaid!("gpu-gone", "gpu"),
    unsaid!("clock-wrong", "clock"),
];
