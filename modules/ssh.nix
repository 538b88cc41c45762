# SSH with public keys only. The authorized keys and the host keys are on PERSIST, so they survive a new image.
{
  config,
  lib,
  ...
}: let
  cfg = config.ollamalive.ssh;
in {
  options.ollamalive.ssh.port = lib.mkOption {
    type = lib.types.port;
    default = 22;
    example = 2222;
    description = "TCP port of SSH. The firewall opens it for every network.";
  };

  config.services.openssh = {
    enable = true;
    ports = [cfg.port];
    # network.nix lists all open ports.
    openFirewall = false;

    # In addition to NixOS's %h/.ssh/authorized_keys and /etc/ssh/authorized_keys.d/%u. sshd ignores a second
    # AuthorizedKeysFile line; this option puts all files on one line.
    authorizedKeysFiles = ["/persist/ssh/authorized_keys"];

    # Directly on PERSIST, because a mount over /etc/ssh would hide sshd_config. Every client of the last ten years
    # supports Ed25519; an RSA key would only make the first boot longer.
    hostKeys = [
      {
        type = "ed25519";
        path = "/persist/ssh/ssh_host_ed25519_key";
      }
    ];

    # Every setting we rely on is explicit, so that a new release cannot change it through its defaults.
    settings = {
      PermitRootLogin = "no";
      PubkeyAuthentication = true;
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      PermitEmptyPasswords = false;
      HostbasedAuthentication = false;
      UsePAM = true;
      StrictModes = true;

      # A client may forward a local port, for example to Ollama, and nothing else: what it brings in (a display, an
      # agent, variables) runs code in sessions, and what it opens here (ports, tunnels) goes past the firewall. sshd
      # accepts no variables unless AcceptEnv names some.
      AllowTcpForwarding = "local";
      AllowAgentForwarding = false;
      AllowStreamLocalForwarding = false;
      PermitTunnel = "no";
      PermitUserEnvironment = false;
      X11Forwarding = false;

      KexAlgorithms = [
        "mlkem768x25519-sha256"
        "sntrup761x25519-sha512"
        "sntrup761x25519-sha512@openssh.com"
        "curve25519-sha256"
        "curve25519-sha256@libssh.org"
      ];
      Ciphers = [
        "chacha20-poly1305@openssh.com"
        "aes256-gcm@openssh.com"
        "aes128-gcm@openssh.com"
      ];
      Macs = [
        "hmac-sha2-512-etm@openssh.com"
        "hmac-sha2-256-etm@openssh.com"
        "umac-128-etm@openssh.com"
      ];
    };
  };
}
