//! A GPU that Ollama does not get, or loses, or does not use without a word.

use super::Edit::{Add, Line, Replace};
use super::{Mutant, in_both};

const SCRIPT: &str = "/scripts/ollamalive-gpu";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        also: &["gpu.survives-daemon-reload"],
        ..in_both(
            "gpu.late-driver-ignored",
            "Ollama is not restarted when the GPU's driver is there at last",
            "gpu.late-driver",
            "Ollama was not restarted",
            &[Replace(
                SCRIPT,
                "systemctl --no-block try-restart docker-ollama.service",
                ":",
            )],
            r#"systemd.services.gpu-fallback.path = lib.mkBefore [ (pkgs.writeShellScriptBin "systemctl" "") ];"#,
        )
    },
    in_both(
        "gpu.lost-at-daemon-reload",
        "systemd forgets the container's devices when it reads its units again",
        "gpu.survives-daemon-reload",
        "after systemctl daemon-reload",
        // Each time it reads its units, systemd makes this folder anew.
        &[Add(
            "/texts/units/forgetful.service",
            "[Service]\nExecStart=/bin/sh -c 'was=$$(stat -c %%i /run/systemd/generator); \
             while sleep 0.2; do [ $$(stat -c %%i /run/systemd/generator) != $$was ] || continue; \
             for scope in /sys/fs/cgroup/system.slice/docker-*.scope; do \
             systemctl set-property --runtime $${scope##*/} DeviceAllow=; done; break; done'\n\
             [Install]\nWantedBy=multi-user.target\n",
        )],
        r#"systemd.services.forgetful = { wantedBy = [ "multi-user.target" ]; script = "was=$(stat -c %i /run/systemd/generator); while sleep 0.2; do [ $(stat -c %i /run/systemd/generator) != $was ] || continue; for scope in /sys/fs/cgroup/system.slice/docker-*.scope; do systemctl set-property --runtime \${scope##*/} DeviceAllow=; done; break; done"; };"#,
    ),
    in_both(
        "gpu.cpu-unwatched",
        "nothing looks at what Ollama computes on",
        "gpu.cpu-reported",
        "no notice says so",
        &[Line(
            "/texts/units/gpu-watch.service",
            "WantedBy=docker-ollama.service",
            "",
        )],
        "systemd.services.gpu-watch.wantedBy = lib.mkForce [ ];",
    ),
    in_both(
        "gpu.cpu-not-restarted",
        "Ollama is not restarted when it computes on the CPU beside a GPU",
        "gpu.cpu-reported",
        "it says so without a restart",
        &[Replace(
            SCRIPT,
            r#"  if [ "$on" = cpu ] && [ ! -e "$restarted" ]; then"#,
            "  if false; then",
        )],
        r#"systemd.services.gpu-watch.preStart = "touch /run/ollamalive/gpu-restarted";"#,
    ),
    in_both(
        "gpu.empty-list-trusted",
        "a list of GPUs with none in it counts as a GPU",
        "gpu.empty-list",
        "waits for a GPU",
        &[Replace(
            SCRIPT,
            "  jq --exit-status --slurp '",
            "  [ -s \"$1\" ] || jq --exit-status --slurp '",
        )],
        r#"systemd.services.gpu-fallback.path = lib.mkBefore [ (pkgs.writeShellScriptBin "jq" ''[ -s "$4" ]'') ];"#,
    ),
];
