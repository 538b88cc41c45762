# The owner's account.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive;
  # Thrown here: such an account would be merged with the system's, and NixOS would fail with its own message before any
  # assertion.
  problem = lib.findFirst (lib.hasPrefix "ollamalive.user ") null cfg.problems;
  name = lib.throwIf (problem != null) problem cfg.user;
in {
  options.ollamalive.user = lib.mkOption {
    type = lib.types.str;
    default = "ollamalive";
    example = "alice";
    description = ''
      Name of the account that logs in on the consoles and over SSH. It has no password and can use `sudo` without one.
      Its home folder is stored on PERSIST under this name.
    '';
  };

  config = {
    # Root is a tmpfs, so a password set by hand would be lost at the next boot.
    users.mutableUsers = false;
    # All accounts are without a password: the owner logs in with a key on PERSIST, or on a console.
    users.allowNoPasswordLogin = true;

    users.users.root.hashedPassword = "!";
    users.users.${name} = {
      isNormalUser = true;
      # Owns the files on PERSIST, so it must never change.
      uid = 1000;
      hashedPassword = "!";
      extraGroups = [
        "docker"
        "networkmanager"
        "render"
        "video"
        "wheel"
      ];
    };

    # sudo has no password to ask for.
    security.sudo.wheelNeedsPassword = false;

    # On every console, including the serial one: anyone with physical access controls the machine anyway.
    services.getty.autologinUser = cfg.user;

    users.defaultUserShell = pkgs.zsh;
    programs.zsh = {
      enable = true;
      autosuggestions.enable = true;
      syntaxHighlighting.enable = true;
      histSize = 10000;
    };

    # Without a .zshrc, zsh starts its setup wizard for a new user.
    systemd.tmpfiles.rules = [
      "f /home/${cfg.user}/.zshrc 0644 ${cfg.user} users - -"
    ];
  };
}
