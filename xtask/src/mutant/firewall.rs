//! Holes in the firewall, and doors that are shut.

use super::Edit::{Remove, Replace, Set};
use super::{Mutant, mutant};

const INPUT: &str = "/firewall/tables/nixos-fw/content";
/// The last rule of the input chain: one more goes behind it.
const LAST_RULE: &str = "ip6 daddr fe80::/64 udp dport 546 accept\n";

pub const MUTANTS: &[Mutant] = &[
    mutant(
        "firewall.extra-tcp-port",
        "one more TCP port, 8080, is let through",
        "firewall.only-open-ports",
        "Tcp 8080",
        &[Replace(INPUT, "{ 22, 11434 }", "{ 22, 8080, 11434 }")],
        Some("networking.firewall.allowedTCPPorts = [ 8080 ];"),
    ),
    mutant(
        "firewall.extra-ipv6-port",
        "one more TCP port, 65535, is let through, over IPv6 only",
        "firewall.only-open-ports",
        "65535 let through",
        &[Replace(
            INPUT,
            LAST_RULE,
            "ip6 daddr fe80::/64 udp dport 546 accept\nmeta nfproto ipv6 tcp dport 65535 accept\n",
        )],
        Some(
            r#"networking.firewall.extraInputRules = "meta nfproto ipv6 tcp dport 65535 accept";"#,
        ),
    ),
    mutant(
        "firewall.extra-udp-port",
        "a UDP port, that of mDNS, is let through",
        "firewall.only-open-ports",
        "Udp 5353",
        &[Replace(
            INPUT,
            LAST_RULE,
            "ip6 daddr fe80::/64 udp dport 546 accept\nudp dport 5353 accept\n",
        )],
        Some("networking.firewall.allowedUDPPorts = [ 5353 ];"),
    ),
    Mutant {
        also: &["firewall.published-ports-contained"],
        ..mutant(
            "firewall.off",
            "there is no firewall",
            "firewall.only-open-ports",
            "65525 more let through",
            &[Set("/firewall/enable", "false")],
            Some("networking.firewall.enable = lib.mkForce false;"),
        )
    },
    Mutant {
        // Over IPv6 a published port is a process that listens on the machine itself.
        also: &["firewall.published-ports-contained"],
        ..mutant(
            "firewall.accepts-by-default",
            "what no rule lets through is let through all the same",
            "firewall.only-open-ports",
            "65525 more let through",
            &[Replace(
                INPUT,
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
            "Ollama's port is not let through",
            "firewall.only-open-ports",
            "11434 is Filtered",
            &[Replace(INPUT, "{ 22, 11434 }", "{ 22 }")],
            Some("networking.firewall.allowedTCPPorts = lib.mkForce [ 22 ];"),
        )
    },
    mutant(
        "firewall.forwards-published-ports",
        "the table that keeps published ports in is missing",
        "firewall.published-ports-contained",
        "the published port over IPv4 is Open",
        &[Remove("/firewall/tables/ollamalive-forward")],
        Some("networking.nftables.tables.ollamalive-forward.enable = lib.mkForce false;"),
    ),
    mutant(
        "firewall.forwards-by-default",
        "the table that keeps published ports in lets everything pass",
        "firewall.published-ports-contained",
        "the published port over IPv4 is Open",
        &[Replace(
            "/firewall/tables/ollamalive-forward/content",
            "policy drop",
            "policy accept",
        )],
        None,
    ),
];
