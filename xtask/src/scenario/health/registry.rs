//! `health.registry`

use anyhow::Result;

use super::Episode;
use super::episode::{gather, judge};
use crate::scenario::{Context, Finding};

/// Lets the unit ask a registry on the machine itself for an image, because Docker wants no TLS there.
macro_rules! asked {
    ($registry:expr) => {
        concat!(
            r"systemctl stop $unit; mkdir -p /run/systemd/system/$unit.d
printf '[Service]\nEnvironment=IMAGE=%s REMOTE=%s\n' 127.0.0.1:5000/a/b:c 127.0.0.1:5000/a/b:c > /run/systemd/system/$unit.d/registry.conf
systemctl daemon-reload
",
            $registry,
            "\nsystemctl start --no-block $unit"
        )
    };
}

/// The same with a registry that gives one answer whatever it is asked. It reads on for a second: a connection that is closed
/// before everything was read loses the answer.
macro_rules! answered {
    ($status:literal, $error:literal) => {
        asked!(concat!(
            r#"cat > /run/registry <<'end'
printf 'HTTP/1.1 "#,
            $status,
            r#"\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"errors":[{"code":"#,
            $error,
            r#"}]}\n'
timeout 1 cat > /dev/null
end
systemd-run --unit=registry --setenv=PATH="$PATH" systemd-socket-activate --listen=127.0.0.1:5000 --accept --inetd sh /run/registry
sleep 2"#
        ))
    };
}

const OWN_REGISTRY: &str = "systemctl stop $unit; systemctl stop registry; rm -rf /run/registry /run/systemd/system/$unit.d; \
    systemctl daemon-reload; systemctl start --no-block $unit";

pub const REGISTRY: &[Episode] = &[
    Episode {
        causes: &["registry-unreachable"],
        state: "not serving",
        make: asked!("true"),
        undo: OWN_REGISTRY,
    },
    Episode {
        causes: &["image-unknown"],
        state: "not serving",
        make: answered!(
            "404 Not Found",
            r#""MANIFEST_UNKNOWN","message":"manifest unknown""#
        ),
        undo: OWN_REGISTRY,
    },
    // It waits for a quarter of an hour then, so it comes last.
    Episode {
        causes: &["registry-too-many"],
        state: "not serving",
        make: answered!(
            "429 Too Many Requests",
            r#""TOOMANYREQUESTS","message":"You have reached your pull rate limit""#
        ),
        undo: OWN_REGISTRY,
    },
];

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(REGISTRY, &gather(cx, REGISTRY)?))
}
