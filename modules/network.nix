# Reachable on the ports that are named here, and on no other.
{
  config,
  lib,
  ...
}: let
  cfg = config.ollamalive.ollama;
  isIPv6 = lib.hasInfix ":";
  ruleFor = network: "${
    if isIPv6 network
    then "ip6"
    else "ip"
  } saddr ${network} tcp dport ${toString cfg.port} accept";
in {
  networking.networkmanager.enable = true;
  # Fails the boot of a machine without a cable. What needs the network tries until it is there.
  systemd.services.NetworkManager-wait-online.enable = false;

  networking.firewall = {
    enable = true;
    allowedTCPPorts = [22] ++ lib.optional (cfg.allowedNetworks == []) cfg.port;
    extraInputRules = lib.concatMapStringsSep "\n" ruleFor cfg.allowedNetworks;
    allowPing = true;
    # A port scan would fill the journal on the stick.
    logRefusedConnections = false;
  };

  networking.nftables = {
    enable = true;
    # Docker keeps rules of its own in the kernel, which a reload has to leave alone.
    flushRuleset = false;

    # Docker forwards published ports before the input chain sees them, and NixOS's own forward
    # filter lets pass whatever was redirected. A drop in any chain is final, so this one decides:
    # containers may open connections, nobody else may have one forwarded to them.
    tables.ollamalive-forward = {
      family = "inet";
      content = ''
        chain forward {
          type filter hook forward priority filter - 5; policy drop;

          ct state established,related accept
          iifname "docker0" accept
          iifname "br-*" accept
        }
      '';
    };
  };
}
