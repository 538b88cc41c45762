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
        shows before the drive's letter; capitals count, and it may hold spaces, umlauts and brackets. In Linux, `lsblk -o NAME,LABEL,UUID`
        shows both; in Windows, `fsutil fsinfo ntfsinfo D:`, run as administrator, shows the UUID: the 16 digits after
        `0x`. With `null`, models are stored on PERSIST.
      '';
    };

    folder = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "Games/ollama-models";
      description = ''
        The folder on the drive that holds Ollama's `blobs` and `manifests`, with `/` between its parts; `"."` is the drive
        itself. With `null`, they are found in `ollama/models`, in `ollama`, or at the top of the drive, so that the drive may
        come from an Ollama in Windows. Where there are none yet, `ollama/models` is created.
      '';
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
