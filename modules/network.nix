# Network and firewall. All open ports are listed in this file.
{
  config,
  lib,
  ...
}: let
  inherit (config.ollamalive) ssh;
  cfg = config.ollamalive.ollama;
  isIPv6 = lib.hasInfix ":";
  ruleFor = network: "${
    if isIPv6 network
    then "ip6"
    else "ip"
  } saddr ${network} tcp dport ${toString cfg.port} accept";
in {
  networking.networkmanager.enable = true;
  # It would fail on a machine without a cable. Units that need the network retry until it is up.
  systemd.services.NetworkManager-wait-online.enable = false;

  # A container on the host's network gets a copy of /etc/resolv.conf when it starts, which may be before DHCP has named a
  # name server. With resolved, the file always names an address of the machine itself.
  services.resolved = {
    enable = true;
    settings.Resolve = {
      # The machine neither looks names up on the local link nor announces its own.
      LLMNR = false;
      MulticastDNS = false;
      # Not systemd's list of public servers: if the network has no name server, none is asked.
      FallbackDNS = [];
    };
  };

  networking.firewall = {
    enable = true;
    allowedTCPPorts = [ssh.port] ++ lib.optional (cfg.allowedNetworks == []) cfg.port;
    extraInputRules = lib.concatMapStringsSep "\n" ruleFor cfg.allowedNetworks;
    allowPing = true;
    # Otherwise a port scan would fill the journal on the stick.
    logRefusedConnections = false;
  };

  networking.nftables = {
    enable = true;
    # A reload must not remove the rules that Docker adds.
    flushRuleset = false;

    # Docker redirects published ports before the input chain sees them, and NixOS's forward filter accepts redirected
    # connections. A drop in any chain is final, so this chain decides: containers may open connections, but no connection
    # is forwarded to them.
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
