//! Ways out of Ollama's container.

use super::Edit::Replace;
use super::{Mutant, in_both};

const SCRIPT: &str = "/scripts/docker-ollama-start";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        alone: true,
        ..in_both(
            "ollama.privileged",
            "the container has every right and device",
            "ollama.contained",
            "it may make any system call",
            &[Replace(
                SCRIPT,
                "  --log-driver=none \\\n",
                "  --log-driver=none \\\n  --privileged \\\n",
            )],
            r#"virtualisation.oci-containers.containers.ollama.extraOptions = lib.mkAfter [ "--privileged" ];"#,
        )
    },
    in_both(
        "ollama.keeps-capabilities",
        "the container keeps capabilities",
        "ollama.contained",
        "it has capabilities",
        &[Replace(SCRIPT, "  '--cap-drop=all' \\\n", "")],
        r#"virtualisation.oci-containers.containers.ollama.extraOptions = lib.mkAfter [ "--cap-add=CHOWN" ];"#,
    ),
    in_both(
        "ollama.gains-privileges",
        "programs in the container may gain privileges",
        "ollama.contained",
        "it may gain privileges",
        &[Replace(
            SCRIPT,
            "  '--security-opt=no-new-privileges' \\\n",
            "",
        )],
        r#"virtualisation.oci-containers.containers.ollama.extraOptions = lib.mkAfter [ "--security-opt=no-new-privileges:false" ];"#,
    ),
    in_both(
        "ollama.writable-root",
        "the container's root can be written to",
        "ollama.contained",
        "its root can be written to",
        &[Replace(SCRIPT, "  --read-only \\\n", "")],
        r#"virtualisation.oci-containers.containers.ollama.extraOptions = lib.mkAfter [ "--read-only=false" ];"#,
    ),
    Mutant {
        alone: true,
        ..in_both(
            "ollama.no-tmp",
            "the container has no folder for temporary files",
            "ollama.contained",
            "its /tmp cannot be written to",
            &[Replace(SCRIPT, "  '--tmpfs=/tmp' \\\n", "")],
            r#"virtualisation.oci-containers.containers.ollama.extraOptions = lib.mkForce [ "--network=host" "--device=nvidia.com/gpu=all" "--read-only" ];"#,
        )
    },
    in_both(
        "ollama.any-number-of-processes",
        "the container may start any number of processes",
        "ollama.contained",
        "it may start ",
        &[Replace(SCRIPT, "'--pids-limit=512'", "'--pids-limit=-1'")],
        r#"virtualisation.oci-containers.containers.ollama.extraOptions = lib.mkAfter [ "--pids-limit=-1" ];"#,
    ),
    in_both(
        "ollama.any-number-of-files",
        "a process in the container may open as many files as dockerd",
        "ollama.contained",
        "a process may open ",
        &[Replace(SCRIPT, "  '--ulimit=nofile=65536:65536' \\\n", "")],
        r#"virtualisation.oci-containers.containers.ollama.extraOptions = lib.mkAfter [ "--ulimit=nofile=1048576:1048576" ];"#,
    ),
    in_both(
        "ollama.sees-the-machine",
        "the machine's files are in the container",
        "ollama.contained",
        "/host is the machine's",
        &[Replace(
            SCRIPT,
            "  '--network=host' \\\n",
            "  '--network=host' \\\n  -v /:/host \\\n",
        )],
        r#"virtualisation.oci-containers.containers.ollama.volumes = [ "/:/host" ];"#,
    ),
    in_both(
        "ollama.has-docker",
        "the container can command Docker",
        "ollama.contained",
        "/docker.sock is the machine's",
        &[Replace(
            SCRIPT,
            "  --name=ollama \\\n",
            "  --name=ollama \\\n  -v /run/docker.sock:/run/docker.sock \\\n",
        )],
        r#"virtualisation.oci-containers.containers.ollama.volumes = [ "/run/docker.sock:/run/docker.sock" ];"#,
    ),
    in_both(
        "ollama.has-the-disks",
        "the container has the stick's device",
        "ollama.contained",
        "it has the machine's",
        &[Replace(
            SCRIPT,
            "  --pull never \\\n",
            "  --pull never \\\n  --device=/dev/ollamalive/stick:/dev/stick \\\n",
        )],
        r#"virtualisation.oci-containers.containers.ollama.extraOptions = lib.mkAfter [ "--device=/dev/ollamalive/stick:/dev/stick" ];"#,
    ),
    in_both(
        "ollama.sees-processes",
        "the container sees the machine's processes",
        "ollama.contained",
        "it shares the machine's processes",
        &[Replace(
            SCRIPT,
            "-e OLLAMA_HOST",
            "--pid=host \\\n  -e OLLAMA_HOST",
        )],
        r#"virtualisation.oci-containers.containers.ollama.extraOptions = lib.mkAfter [ "--pid=host" ];"#,
    ),
];
