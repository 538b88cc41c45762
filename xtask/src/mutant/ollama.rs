//! A server that is not there, does not come back, forgets its models, or is silent about its GPU.

use super::Edit::{Line, Remove, Replace, Set};
use super::HeldTo::Itself;
use super::{Mutant, in_both, mutant};

const SCRIPT: &str = "/scripts/docker-ollama-start";
const PRE_START: &str = "/scripts/docker-ollama-pre-start";
const FALLBACK: &str = "/texts/units/gpu-fallback.service";
const BINDS: &str =
    "  -v /persist/ollama:/root/.ollama \\\n  -v /run/ollamalive/models:/root/.ollama/models \\\n";
/// What breaks along with an Ollama that does not run.
const NOT_RUNNING: &[&str] = &[
    "boot.reaches-target",
    "ollama.models-on-drive",
    "ollama.without-gpu",
    "firewall.only-open-ports",
    "gpu.late-driver",
    "gpu.survives-daemon-reload",
    "gpu.cpu-reported",
    "gpu.empty-list",
];

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        alone: true,
        ..in_both(
            "ollama.models-beside-persist",
            "without a models drive, models are in memory and not on PERSIST",
            "ollama.models-on-persist",
            "is not in /persist/models/models",
            &[
                Set("/models/drive", "null"),
                Set("/ollama/modelsDir", r#""/persist/models/models""#),
                Replace(
                    "/scripts/docker-ollama-pre-start",
                    "root=/mnt/models\n",
                    "root=/persist/models\n",
                ),
                Replace(SCRIPT, "/run/ollamalive/models:", "/var/lib/ollama/models:"),
            ],
            r#"ollamalive.models.drive = lib.mkForce null; virtualisation.oci-containers.containers.ollama.volumes = lib.mkForce [ "/persist/ollama:/root/.ollama" "/var/lib/ollama/models:/root/.ollama/models" ];"#,
        )
    },
    Mutant {
        also: &["firewall.only-open-ports"],
        ..in_both(
            "ollama.wrong-port",
            "Ollama listens on another port",
            "ollama.answers",
            "listening on [::]:11435",
            &[Replace(
                SCRIPT,
                "OLLAMA_HOST=0.0.0.0:11434",
                "OLLAMA_HOST=0.0.0.0:11435",
            )],
            r#"virtualisation.oci-containers.containers.ollama.environment.OLLAMA_HOST = lib.mkForce "0.0.0.0:11435";"#,
        )
    },
    Mutant {
        also: &["firewall.only-open-ports"],
        ..in_both(
            "ollama.on-loopback-only",
            "Ollama listens for the machine itself only",
            "ollama.answers",
            "listening on 127.0.0.1",
            &[Replace(
                SCRIPT,
                "OLLAMA_HOST=0.0.0.0:11434",
                "OLLAMA_HOST=127.0.0.1:11434",
            )],
            r#"virtualisation.oci-containers.containers.ollama.environment.OLLAMA_HOST = lib.mkForce "127.0.0.1:11434";"#,
        )
    },
    Mutant {
        also: NOT_RUNNING,
        ..in_both(
            "ollama.not-restarted",
            "the container is not started again after it was killed",
            "ollama.answers",
            "after docker kill",
            &[Line(
                "/texts/units/docker-ollama.service",
                "Restart=always",
                "Restart=no",
            )],
            r#"systemd.services.docker-ollama.serviceConfig.Restart = lib.mkOverride 10 "no";"#,
        )
    },
    Mutant {
        also: NOT_RUNNING,
        ..in_both(
            "ollama.restart-beside-rm",
            "docker run has both --rm and --restart, which it refuses",
            "ollama.answers",
            "docker-ollama.service was restarted",
            &[Replace(
                SCRIPT,
                "  --rm \\\n",
                "  --rm \\\n  --restart=unless-stopped \\\n",
            )],
            r#"virtualisation.oci-containers.containers.ollama.extraOptions = [ "--restart=unless-stopped" ];"#,
        )
    },
    in_both(
        "ollama.models-in-container",
        "the container has no folder for its models",
        "ollama.models-on-drive",
        "the container cannot write",
        &[Replace(SCRIPT, BINDS, "")],
        "virtualisation.oci-containers.containers.ollama.volumes = lib.mkForce [ ];",
    ),
    in_both(
        "ollama.models-elsewhere",
        "the container's models are in a folder of PERSIST",
        "ollama.models-on-drive",
        "what the container wrote is not in /mnt/models/ollama",
        &[Replace(
            SCRIPT,
            "-v /run/ollamalive/models:",
            "-v /persist/models:",
        )],
        r#"virtualisation.oci-containers.containers.ollama.volumes = lib.mkForce [ "/persist/ollama:/root/.ollama" "/persist/models:/root/.ollama/models" ];"#,
    ),
    Mutant {
        id: "ollama.models-dir-off-drive",
        breaks: "the models' folder itself is on PERSIST",
        caught_by: "ollama.models-on-drive",
        symptom: "/persist/models/ollama is on",
        also: &["ollama.finds-models"],
        edits: &[
            Set("/ollama/modelsDir", r#""/persist/models/ollama""#),
            Replace(
                SCRIPT,
                "-v /run/ollamalive/models:",
                "-v /persist/models/ollama:",
            ),
        ],
        nixos: None,
        held_to: Itself,
        comes_up: true,
        alone: false,
    },
    mutant(
        "ollama.one-folder-only",
        "models of an Ollama in Windows are only found in ollama/models",
        "ollama.finds-models",
        "of models in the drive's top folder",
        &[Replace(
            PRE_START,
            "places=(ollama/models ollama .)",
            "places=(ollama/models)",
        )],
        None,
    ),
    mutant(
        "ollama.folder-by-its-capitals",
        "a folder that Windows calls Ollama is not found",
        "ollama.finds-models",
        "of models in Ollama/ and at the top",
        &[Replace(
            PRE_START,
            r#"[ "${entry,,}" = "${part,,}" ]"#,
            r#"[ "$entry" = "$part" ]"#,
        )],
        None,
    ),
    mutant(
        "ollama.silent-about-other-models",
        "nothing says that models in another folder are not served",
        "ollama.finds-models",
        "does not say that",
        &[Replace(PRE_START, r#"others+=("$at")"#, ":")],
        None,
    ),
    in_both(
        "ollama.drive-not-mounted",
        "the models drive is not mounted: its folder is memory",
        "ollama.models-on-drive",
        "/mnt/models/ollama is on",
        &[Line("/texts/fstab", " /mnt/models ", "")],
        r#"fileSystems."/mnt/models".enable = lib.mkForce false;"#,
    ),
    Mutant {
        also: &[
            "boot.reaches-target",
            "ollama.answers",
            "ollama.models-on-drive",
            "firewall.only-open-ports",
            "gpu.late-driver",
            "gpu.survives-daemon-reload",
            "gpu.cpu-reported",
            "gpu.empty-list",
        ],
        ..in_both(
            "ollama.no-gpu-fallback",
            "without a GPU there is nothing that stands in for it",
            "ollama.without-gpu",
            r#"the journal does not say so: """#,
            &[Remove(FALLBACK)],
            "systemd.services.gpu-fallback.enable = lib.mkForce false;",
        )
    },
    in_both(
        "ollama.gpu-not-told",
        "the container is not told that there is no GPU",
        "ollama.without-gpu",
        "the container was not told",
        &[Replace(
            "/scripts/ollamalive-gpu",
            "OLLAMALIVE_GPU=none",
            "OLLAMALIVE_GPU=any",
        )],
        r#"systemd.services.gpu-fallback.postStart = "${pkgs.gnused}/bin/sed -i s/OLLAMALIVE_GPU=none/OLLAMALIVE_GPU=any/ /run/cdi/no-gpu.json";"#,
    ),
    Mutant {
        also: &["health.told"],
        ..in_both(
            "ollama.gpu-notice-missing",
            "no notice at login says that there is no GPU",
            "ollama.without-gpu",
            "the login banner does not say so",
            &[Replace(
                FALLBACK,
                "[Service]\n",
                "[Service]\nExecStartPost=rm -f /run/ollamalive/notices/gpu\n",
            )],
            r#"systemd.services.gpu-fallback.postStart = "${pkgs.coreutils}/bin/rm -f /run/ollamalive/notices/gpu";"#,
        )
    },
    Mutant {
        also: &["ollama.warns-of-space", "health.told"],
        ..in_both(
            "ollama.gpu-notice-unshown",
            "notices are written, but not shown at login",
            "ollama.without-gpu",
            "the login banner does not say so",
            &[Set("/scripts/login-shell-init", r#""""#)],
            r#"environment.loginShellInit = lib.mkForce "";"#,
        )
    },
    in_both(
        "ollama.gpu-journal-silent",
        "the journal does not say that there is no GPU",
        "ollama.without-gpu",
        r#"the journal does not say so: "Starting"#,
        &[Replace(
            FALLBACK,
            "Type=oneshot\n",
            "Type=oneshot\nStandardOutput=null\n",
        )],
        r#"systemd.services.gpu-fallback.serviceConfig.StandardOutput = "null";"#,
    ),
    Mutant {
        also: &["health.told"],
        ..in_both(
            "ollama.space-notice-missing",
            "no notice at login says that there is little room for models",
            "ollama.warns-of-space",
            "the login banner does not say so",
            &[Replace(
                "/texts/units/docker-ollama.service",
                "[Service]\n",
                "[Service]\nExecStartPost=rm -f /run/ollamalive/notices/space\n",
            )],
            r#"systemd.services.docker-ollama.postStart = "${pkgs.coreutils}/bin/rm -f /run/ollamalive/notices/space";"#,
        )
    },
];
