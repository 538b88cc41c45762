//! Sessions of SSH that forward more than a local port, and keys that others can replace.

use super::Edit::Replace;
use super::{Mutant, in_both};

const CONFIG: &str = "/sshd_config";

pub const MUTANTS: &[Mutant] = &[
    in_both(
        "ssh.x11-forwarding",
        "X11 is forwarded",
        "ssh.forwards-only-tcp",
        "X11 is forwarded",
        &[Replace(CONFIG, "X11Forwarding no", "X11Forwarding yes")],
        "services.openssh.settings.X11Forwarding = lib.mkForce true; programs.ssh.setXAuthLocation = true;",
    ),
    in_both(
        "ssh.agent-forwarding",
        "the client's agent is forwarded",
        "ssh.forwards-only-tcp",
        "the agent is forwarded",
        &[Replace(
            CONFIG,
            "AllowAgentForwarding no",
            "AllowAgentForwarding yes",
        )],
        "services.openssh.settings.AllowAgentForwarding = lib.mkForce true;",
    ),
    in_both(
        "ssh.accepts-variables",
        "the client may set the session's language",
        "ssh.forwards-only-tcp",
        "the client can set LC_OLLAMALIVE",
        &[Replace(
            CONFIG,
            "PrintMotd no",
            "AcceptEnv LC_*\nPrintMotd no",
        )],
        r#"services.openssh.extraConfig = "AcceptEnv LC_*";"#,
    ),
    in_both(
        "ssh.user-environment",
        "a file in the home folder sets the session's variables",
        "ssh.forwards-only-tcp",
        "~/.ssh/environment can set",
        &[Replace(
            CONFIG,
            "PermitUserEnvironment no",
            "PermitUserEnvironment yes",
        )],
        "services.openssh.settings.PermitUserEnvironment = lib.mkForce true;",
    ),
    in_both(
        "ssh.remote-forwarding",
        "a client may open ports of the server",
        "ssh.forwards-only-tcp",
        "a port of the server leads to the client",
        &[Replace(
            CONFIG,
            "AllowTcpForwarding local",
            "AllowTcpForwarding yes",
        )],
        r#"services.openssh.settings.AllowTcpForwarding = lib.mkForce "yes";"#,
    ),
    in_both(
        "ssh.socket-forwarding",
        "sockets are forwarded, Docker's among them",
        "ssh.forwards-only-tcp",
        "allowstreamlocalforwarding is",
        &[Replace(
            CONFIG,
            "AllowStreamLocalForwarding no",
            "AllowStreamLocalForwarding yes",
        )],
        "services.openssh.settings.AllowStreamLocalForwarding = lib.mkForce true;",
    ),
    in_both(
        "ssh.tunnels",
        "a client may open a network tunnel",
        "ssh.forwards-only-tcp",
        "permittunnel is",
        &[Replace(CONFIG, "PermitTunnel no", "PermitTunnel yes")],
        r#"services.openssh.settings.PermitTunnel = lib.mkForce "yes";"#,
    ),
    in_both(
        "ssh.no-forwarding",
        "not even a local port is forwarded",
        "ssh.forwards-only-tcp",
        "no local port is forwarded",
        &[Replace(
            CONFIG,
            "AllowTcpForwarding local",
            "AllowTcpForwarding no",
        )],
        r#"services.openssh.settings.AllowTcpForwarding = lib.mkForce "no";"#,
    ),
    in_both(
        "ssh.loose-modes",
        "keys are taken from files that others can write",
        "ssh.strict-modes",
        "while others can write the file",
        &[Replace(CONFIG, "StrictModes yes", "StrictModes no")],
        "services.openssh.settings.StrictModes = lib.mkForce false;",
    ),
];
