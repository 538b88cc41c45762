# The one person who works on this machine.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive;
in {
  options.ollamalive.user = lib.mkOption {
    type = lib.types.strMatching "[a-z_][a-z0-9_-]*";
    default = "ollamalive";
    example = "alice";
    description = ''
      Name of the account that logs in on the consoles and over SSH. It has no password, and may use `sudo` without
      one. Its home is kept on PERSIST under this name.
    '';
  };

  config = {
    # Root is a tmpfs: passwords set by hand would be gone after a reboot, so there are none.
    users.mutableUsers = false;
    # Nobody has a password: the way in is a key on PERSIST, or a console of the machine.
    users.allowNoPasswordLogin = true;

    users.users.root.hashedPassword = "!";
    users.users.${cfg.user} = {
      isNormalUser = true;
      # Owns files on PERSIST, so it must never change.
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

    # There is no password that sudo could ask for.
    security.sudo.wheelNeedsPassword = false;

    # On every console, the serial one too: who can touch the machine owns it anyway.
    services.getty.autologinUser = cfg.user;

    users.defaultUserShell = pkgs.zsh;
    programs.zsh = {
      enable = true;
      autosuggestions.enable = true;
      syntaxHighlighting.enable = true;
      histSize = 10000;
    };

    # Without a .zshrc, zsh greets a new user with its set-up wizard.
    systemd.tmpfiles.rules = [
      "f /home/${cfg.user}/.zshrc 0644 ${cfg.user} users - -"
    ];
  };
}
