//! Holes in the firewall, and doors that are shut.

use super::Edit::{Add, Remove, Replace, Set};
use super::{Mutant, mutant};

const RULES: &str = "/texts/scripts/nftables-rules";
/// A rule of the input chain: one more goes before it.
const LAST_RULE: &str = "ip6 daddr fe80::/64 udp dport 546 accept";
/// The table that keeps published ports in.
const FORWARD: &str = r#"table inet ollamalive-forward {
  chain forward {
  type filter hook forward priority filter - 5; policy drop;

  ct state established,related accept
  iifname "docker0" accept
  iifname "br-*" accept
}

}
"#;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        also: &["firewall.only-open-ports"],
        alone: true,
        ..mutant(
            "firewall.open-to-every-network",
            "every network reaches Ollama, though only some are allowed",
            "firewall.only-allowed-networks",
            "which is not allowed",
            &[Set("/ollama/allowedNetworks", r#"["192.168.1.0/24"]"#)],
            Some(
                r#"ollamalive.ollama.allowedNetworks = lib.mkForce [ "192.168.1.0/24" ]; networking.firewall.allowedTCPPorts = [ 11434 ];"#,
            ),
        )
    },
    Mutant {
        alone: true,
        ..mutant(
            "firewall.allowed-ipv6-forgotten",
            "of the allowed networks only those of IPv4 reach Ollama",
            "firewall.only-allowed-networks",
            "Ollama is Filtered to fd00:1::1",
            &[
                Set(
                    "/ollama/allowedNetworks",
                    r#"["192.168.1.0/24", "fd00:1::/64"]"#,
                ),
                Replace(RULES, "{ 22, 11434 }", "{ 22 }"),
                Replace(
                    RULES,
                    LAST_RULE,
                    "ip saddr 192.168.1.0/24 tcp dport 11434 accept\nip6 daddr fe80::/64 udp dport 546 accept",
                ),
            ],
            Some(
                r#"ollamalive.ollama.allowedNetworks = lib.mkForce [ "192.168.1.0/24" "fd00:1::/64" ]; networking.firewall.extraInputRules = lib.mkForce "ip saddr 192.168.1.0/24 tcp dport 11434 accept";"#,
            ),
        )
    },
    mutant(
        "firewall.extra-tcp-port",
        "one more TCP port, 8080, is open",
        "firewall.only-open-ports",
        "Tcp 8080",
        &[Replace(RULES, "{ 22, 11434 }", "{ 22, 8080, 11434 }")],
        Some("networking.firewall.allowedTCPPorts = [ 8080 ];"),
    ),
    mutant(
        "firewall.extra-ipv6-port",
        "one more TCP port, 65535, is open, over IPv6 only",
        "firewall.only-open-ports",
        "65535 let through",
        &[Replace(
            RULES,
            LAST_RULE,
            "meta nfproto ipv6 tcp dport 65535 accept\nip6 daddr fe80::/64 udp dport 546 accept",
        )],
        Some(
            r#"networking.firewall.extraInputRules = "meta nfproto ipv6 tcp dport 65535 accept";"#,
        ),
    ),
    mutant(
        "firewall.extra-udp-port",
        "a UDP port, that of mDNS, is open",
        "firewall.only-open-ports",
        "Udp 5353",
        &[Replace(
            RULES,
            LAST_RULE,
            "udp dport 5353 accept\nip6 daddr fe80::/64 udp dport 546 accept",
        )],
        Some("networking.firewall.allowedUDPPorts = [ 5353 ];"),
    ),
    mutant(
        "firewall.unused-udp-port",
        "a UDP port at which no program listens, 40000, is open",
        "firewall.only-open-ports",
        "40000",
        &[Replace(
            RULES,
            "meta l4proto . th dport @temp-ports accept",
            "meta l4proto . th dport @temp-ports accept\nudp dport 40000 accept",
        )],
        Some("networking.firewall.allowedUDPPorts = [ 40000 ];"),
    ),
    mutant(
        "firewall.silent-udp-port",
        "a UDP port, 40001, is open, and the program behind it never answers",
        "firewall.only-open-ports",
        "40001",
        &[
            Replace(
                RULES,
                "icmp type echo-request  accept",
                "udp dport 40001 accept\nicmp type echo-request  accept",
            ),
            // systemd opens the port. Its service never reads.
            Add(
                "/texts/units/silent.socket",
                "[Socket]\nListenDatagram=40001\n[Install]\nWantedBy=sockets.target\n",
            ),
            Add(
                "/texts/units/silent.service",
                "[Service]\nExecStart=/bin/sleep infinity\n",
            ),
        ],
        Some(
            r#"networking.firewall.allowedUDPPorts = [ 40001 ];
systemd.sockets.silent = { wantedBy = [ "sockets.target" ]; socketConfig.ListenDatagram = 40001; };
systemd.services.silent.script = "exec sleep infinity";"#,
        ),
    ),
    Mutant {
        also: &["firewall.published-ports-contained"],
        ..mutant(
            "firewall.off",
            "there is no firewall",
            "firewall.only-open-ports",
            "65525 more let through",
            &[Remove("/texts/units/nftables.service")],
            Some("networking.firewall.enable = lib.mkForce false;"),
        )
    },
    Mutant {
        // Over IPv6 a published port is a process that listens on the machine itself.
        also: &["firewall.published-ports-contained"],
        ..mutant(
            "firewall.accepts-by-default",
            "packets that match no rule are accepted",
            "firewall.only-open-ports",
            "65525 more let through",
            &[Replace(
                RULES,
                "hook input priority filter; policy drop;",
                "hook input priority filter; policy accept;",
            )],
            Some(r#"networking.firewall.extraInputRules = "accept";"#),
        )
    },
    Mutant {
        also: &["ollama.answers"],
        ..mutant(
            "firewall.ollama-shut",
            "Ollama's port is not open",
            "firewall.only-open-ports",
            "11434 is Filtered",
            &[Replace(RULES, "{ 22, 11434 }", "{ 22 }")],
            Some("networking.firewall.allowedTCPPorts = lib.mkForce [ 22 ];"),
        )
    },
    mutant(
        "firewall.forwards-published-ports",
        "the table that keeps published ports in is missing",
        "firewall.published-ports-contained",
        "the published port over IPv4 is Open",
        &[Replace(RULES, FORWARD, "")],
        Some("networking.nftables.tables.ollamalive-forward.enable = lib.mkForce false;"),
    ),
    Mutant {
        also: &["firewall.published-ports-contained"],
        ..mutant(
            "firewall.silent-container",
            "the network reaches a container's UDP port, 40002, behind which nothing answers",
            "firewall.only-open-ports",
            "40002 passed on to a container",
            &[
                Replace(RULES, FORWARD, ""),
                Replace(
                    "/scripts/docker-ollama-pre-start",
                    "rm -f \"$notice\"\n",
                    "rm -f \"$notice\"\ntrap 'docker rm -f silent || true; docker run -d --name silent -p 40002:40002/udp $IMAGE' EXIT\n",
                ),
            ],
            Some(
                r#"networking.nftables.tables.ollamalive-forward.enable = lib.mkForce false;
systemd.services.docker-ollama.preStart = lib.mkAfter "docker rm -f silent || true; docker run -d --name silent -p 40002:40002/udp $IMAGE";"#,
            ),
        )
    },
    mutant(
        "firewall.forwards-by-default",
        "the table that keeps published ports in lets everything pass",
        "firewall.published-ports-contained",
        "the published port over IPv4 is Open",
        &[Replace(
            RULES,
            "hook forward priority filter - 5; policy drop;",
            "hook forward priority filter - 5; policy accept;",
        )],
        None,
    ),
];
