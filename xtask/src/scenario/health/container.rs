//! `health.container`, `health.image`, `health.stopped`

use anyhow::Result;

use super::Episode;
use super::episode::{gather, judge};
use crate::scenario::{Context, Finding};

/// Makes an image with Ollama's name from the folder /run/image, and lets the unit take it for the one from the archive.
macro_rules! image {
    ($program:literal) => {
        concat!(
            "systemctl stop $unit; docker image rm -f $image; rm -rf /run/image; mkdir -p /run/image/bin /run/image/root /run/image/tmp; ",
            $program,
            "; tar -c -C /run/image . | docker import -c 'ENTRYPOINT [\"/bin/ollama\"]' - $image; \
             cp /persist/images/loaded /run/loaded; \
             echo \"$(sed 's/ .*//; q' /run/loaded) $(docker image inspect --format '{{.Id}}' $image)\" >> /persist/images/loaded; \
             systemctl start --no-block $unit"
        )
    };
}

const OWN_IMAGE: &str = "systemctl stop $unit; cp /run/loaded /persist/images/loaded; docker image rm -f $image; \
    systemctl start --no-block $unit";

pub const CONTAINER: &[Episode] = &[
    Episode {
        causes: &["restarts"],
        state: "not serving",
        make: "mkdir -p /run/systemd/system/$unit.d; \
               printf '[Service]\\nExecStart=\\nExecStart=/bin/sh -c \"echo it ends at once; exit 3\"\\n' > /run/systemd/system/$unit.d/ends.conf; \
               systemctl daemon-reload; systemctl restart --no-block $unit",
        undo: "rm -r /run/systemd/system/$unit.d; systemctl daemon-reload; systemctl restart --no-block $unit",
    },
    Episode {
        causes: &["port-taken"],
        state: "not serving",
        make: "systemctl stop $unit; systemd-run --unit=squatter systemd-socket-activate -l $port sleep 1000; sleep 2; \
               systemctl start --no-block $unit",
        undo: "systemctl stop squatter; systemctl restart --no-block $unit",
    },
];

pub const IMAGE: &[Episode] = &[
    Episode {
        causes: &["image-architecture"],
        state: "not serving",
        make: image!(
            "echo 'of another kind' > /run/image/bin/ollama; chmod 755 /run/image/bin/ollama"
        ),
        undo: OWN_IMAGE,
    },
    // It is repaired without a command.
    Episode {
        causes: &["image-damaged"],
        state: "not serving",
        make: image!("rm -f /run/ollamalive/image-repaired"),
        undo: "true",
    },
    Episode {
        causes: &["archive-unreadable", "archive-other", "registry-name"],
        state: "not serving",
        make: "systemctl stop $unit; docker image rm -f $image; mv /persist/images/ollama.tar /run/ollama.tar; \
               echo no archive > /persist/images/a.tar; mkdir -p /run/image/bin; \
               tar -c -C /run/image . | docker import - other/image:1; docker save other/image:1 > /persist/images/b.tar; \
               docker image rm -f other/image:1; systemctl start --no-block $unit",
        undo: "systemctl stop $unit; rm -f /persist/images/a.tar /persist/images/b.tar; mv /run/ollama.tar /persist/images/; \
               systemctl start --no-block $unit",
    },
];

pub const STOPPED: &[Episode] = &[
    Episode {
        causes: &["stopped"],
        state: "not serving",
        make: "systemctl stop $unit",
        undo: "systemctl start --no-block $unit",
    },
    Episode {
        causes: &["docker-down"],
        state: "not serving",
        make: "systemctl stop docker.socket docker.service",
        undo: "systemctl start docker.socket docker.service; systemctl start --no-block $unit",
    },
    Episode {
        causes: &["unanswered"],
        state: "not serving",
        make: "for turn in $(seq 30); do docker pause ollama && break; sleep 2; done",
        undo: "docker unpause ollama",
    },
];

pub fn check_container(cx: &mut Context) -> Result<Finding> {
    Ok(judge(CONTAINER, &gather(cx, CONTAINER)?))
}

pub fn check_image(cx: &mut Context) -> Result<Finding> {
    Ok(judge(IMAGE, &gather(cx, IMAGE)?))
}

pub fn check_stopped(cx: &mut Context) -> Result<Finding> {
    Ok(judge(STOPPED, &gather(cx, STOPPED)?))
}
