# SSH with a key, and no other way. Both the keys that may log in and the machine's own
# identity are on PERSIST, so that they outlive a new image.
{
  services.openssh = {
    enable = true;
    ports = [22];
    # The firewall's open ports are listed in one place, network.nix.
    openFirewall = false;

    # Beside NixOS's own %h/.ssh/authorized_keys and /etc/ssh/authorized_keys.d/%u. A second
    # AuthorizedKeysFile line in sshd_config would be ignored, this option makes one line of all.
    authorizedKeysFiles = ["/persist/ssh/authorized_keys"];

    # In place on PERSIST. Mounting something over /etc/ssh would hide sshd_config. Every client of
    # the last ten years knows Ed25519; an RSA key would only make the first boot longer.
    hostKeys = [
      {
        type = "ed25519";
        path = "/persist/ssh/ssh_host_ed25519_key";
      }
    ];

    # Everything that we rely on is said, so that no release's defaults can change it.
    settings = {
      PermitRootLogin = "no";
      PubkeyAuthentication = true;
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      PermitEmptyPasswords = false;
      HostbasedAuthentication = false;
      X11Forwarding = false;
      UsePAM = true;
      StrictModes = true;

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
