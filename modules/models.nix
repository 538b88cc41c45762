# Storage for models: a drive shared with Windows, or PERSIST.
{
  config,
  lib,
  ...
}: let
  cfg = config.ollamalive.models;
  wellFormed = lib.any (form: builtins.match form cfg.drive != null) [
    "LABEL=[A-Za-z0-9_. -]{1,32}"
    "UUID=[0-9A-Fa-f]{16}"
    "UUID=[0-9A-Fa-f]{4,8}(-[0-9A-Fa-f]{4,12})+"
  ];
in {
  options.ollamalive.models = {
    drive = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "LABEL=Models";
      description = ''
        The NTFS drive that holds the models: `LABEL=` and its label, or `UUID=` and its UUID
        (`lsblk -o NAME,LABEL,UUID` shows both). With `null`, models are stored on PERSIST.
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
      description = "The folder that the container sees as `/root/.ollama`.";
    };
  };

  config = lib.mkIf (cfg.drive != null) {
    assertions = [
      {
        assertion = wellFormed;
        message = ''
          ollamalive.models.drive is "${cfg.drive}", which does not name a drive. Write "LABEL=Models" (the
          drive's name in Windows) or "UUID=01D9A1B2C3D4E5F6" (from `lsblk -o NAME,LABEL,UUID`), or null to
          store models on PERSIST.
        '';
      }
    ];

    fileSystems."/mnt/models" = {
      device = cfg.drive;
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
