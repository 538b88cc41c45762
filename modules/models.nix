# Storage for models: a drive shared with Windows, or PERSIST.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive.models;
in {
  options.ollamalive.models = {
    drive = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "LABEL=Models";
      description = ''
        The NTFS drive that holds the models: `LABEL=` and its label, or `UUID=` and its UUID. A label is what Explorer
        shows before the drive's letter, and may hold spaces, umlauts and brackets. `lsblk -o NAME,LABEL,UUID` shows both
        in Linux, `fsutil fsinfo ntfsinfo D:` the UUID in Windows. With `null`, models are stored on PERSIST.
      '';
    };

    directory = lib.mkOption {
      type = lib.types.path;
      readOnly = true;
      default =
        if cfg.drive == null
        then "/persist/models"
        else "/mnt/models/ollama";
      defaultText = lib.literalMD "`/mnt/models/ollama`, or `/persist/models` without a drive";
      description = "The folder whose subfolder `models` holds Ollama's models.";
    };
  };

  config = lib.mkIf (cfg.drive != null) {
    # Stops the server before its drive is unmounted: the container would keep the file system in use, and NTFS would be
    # left dirty, as after a power cut. Only an order: Ollama must try to start even if the drive is missing.
    systemd.services.docker-ollama = {
      after = ["mnt-models.mount"];
      path = [
        pkgs.gnugrep
        pkgs.util-linux
      ];
      preStart = lib.mkBefore ''
        drive=${lib.escapeShellArg cfg.drive}
        ${builtins.readFile ./drive.sh}'';
    };

    fileSystems."/mnt/models" = {
      # NixOS escapes blanks for fstab, but not the escape character itself.
      device = lib.replaceStrings ["\\"] ["\\134"] cfg.drive;
      fsType = "ntfs-3g";
      options = [
        # The drive may be missing at boot and plugged in later.
        "nofail"
        "noauto"
        "x-systemd.automount"
        "x-systemd.device-timeout=10s"
        # ntfs-3g gives all files one owner: root, as in the container. Members of the group users may read and write too.
        "uid=0"
        "gid=${toString config.ids.gids.users}"
        "umask=0002"
        # Refuse file names that Windows cannot open.
        "windows_names"
        "noatime"
      ];
    };
  };
}
