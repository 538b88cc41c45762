//! Name servers that are not there in time, and names that are looked up elsewhere.

use super::Edit::Set;
use super::{Mutant, in_both};

const ONLY: &str = "network.only-its-name-server";

pub const MUTANTS: &[Mutant] = &[
    in_both(
        "network.copied-name-server",
        "/etc/resolv.conf has the network's name server, and before DHCP none",
        "docker.resolves-late",
        "names no name server",
        &[Set("/names/resolved", "false")],
        "services.resolved.enable = lib.mkForce false;",
    ),
    in_both(
        "network.asks-by-llmnr",
        "names without a domain are asked of the neighbours",
        ONLY,
        "LLMNR",
        &[Set("/names/settings/LLMNR", "true")],
        "services.resolved.settings.Resolve.LLMNR = lib.mkForce true;",
    ),
    in_both(
        "network.asks-by-mdns",
        "names under .local are asked of the neighbours",
        ONLY,
        "mDNS",
        &[Set("/names/settings/MulticastDNS", "true")],
        // NetworkManager decides about each connection as well.
        r#"services.resolved.settings.Resolve.MulticastDNS = lib.mkForce true; networking.networkmanager.connectionConfig."connection.mdns" = 2;"#,
    ),
    in_both(
        "network.asks-a-public-server",
        "a public name server is asked where the network has none",
        ONLY,
        "it asks 192.0.2.53",
        &[Set("/names/settings/FallbackDNS", r#"["192.0.2.53"]"#)],
        r#"services.resolved.settings.Resolve.FallbackDNS = lib.mkForce [ "192.0.2.53" ];"#,
    ),
];
