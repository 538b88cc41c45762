# Updates: systemd-sysupdate installs a new version into the unused slot (layout.nix). Its files come from a web server, or from
# another computer over SSH. systemd-boot then tries the version at most three times (trial.nix).
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive;
  inherit (cfg.update) url publicKey;
  ini = pkgs.formats.ini {listToValue = toString;};
  shell = "#!${pkgs.runtimeShell}";
  versions = import ./versions.nix;

  # Pushed files are collected here until all have arrived.
  pushed = "/persist/update";

  # The order matters: the UKI makes the new version bootable, so it comes last.
  transfers = source: let
    # @u becomes the partition's ID, by which stick.sh finds the slot.
    partition = kind: type: {
      # Never overwrite the running version (%A).
      Transfer.ProtectVersion = "%A";
      Source = source "ollamalive_@v_@u.${kind}";
      Target = {
        Type = "partition";
        # With root in memory, sysupdate does not find the disk.
        Path = "/dev/ollamalive/stick";
        MatchPattern = "${kind}_@v";
        MatchPartitionType = type;
        ReadOnly = 1;
      };
    };
  in {
    "10-verity" = partition "verity" "usr-x86-64-verity";
    "20-store" = partition "store" "usr-x86-64";
    "30-uki" = {
      Transfer.ProtectVersion = "%A";
      Source = source "ollamalive_@v.efi";
      Target = {
        Type = "regular-file";
        Path = "${versions.boot}/EFI/Linux";
        MatchPattern = ["ollamalive_@v+@l-@d.efi" "ollamalive_@v+@l.efi" "ollamalive_@v.efi"];
        Mode = "0444";
        # More than systemd's usual two: switching the PC off during a trial uses one up.
        TriesLeft = 3;
        TriesDone = 0;
        InstancesMax = 2;
      };
    };
  };
  fromServer = transfers (pattern: {
    Type = "url-file";
    # systemd takes "%" for the start of a specifier.
    Path = lib.replaceStrings ["%"] ["%%"] (toString url);
    MatchPattern = pattern;
  });
  fromPush = transfers (pattern: {
    Type = "regular-file";
    Path = pushed;
    MatchPattern = pattern;
  });

  definitions = folder:
    lib.mapAttrs' (name: value:
      lib.nameValuePair "${folder}/${name}.transfer" {source = ini.generate "${name}.transfer" value;});

  # Binary, because gpg and sysupdate read no armored keyring.
  keyring = pkgs.runCommand "import-pubring" {nativeBuildInputs = [pkgs.gnupg];} ''
    export GNUPGHOME=$(mktemp -d)
    gpg --batch --dearmor < ${publicKey} > $out
  '';

  decisionText = builtins.readFile ./update.jq;
  commandText = ''
    ${shell}
    PATH=${lib.makeBinPath [config.systemd.package pkgs.coreutils pkgs.curl pkgs.findutils pkgs.gnugrep]}
    PATH+=:${lib.makeBinPath [pkgs.gnupg pkgs.gnused pkgs.gnutar pkgs.jq pkgs.util-linux]}
    sysupdate=${config.systemd.package}/lib/systemd/systemd-sysupdate
    decision=${pkgs.writeText "ollamalive-update.jq" decisionText}
    url=${lib.escapeShellArg (toString url)}
    key=${lib.optionalString (publicKey != null) "/etc/systemd/import-pubring.gpg"}
    pushed=${pushed}
    port=${toString cfg.ollama.port}
    ${versions.script}
    ${builtins.readFile ./update.sh}'';

  timer = when: {
    wantedBy = ["timers.target"];
    timerConfig = {OnCalendar = when;};
  };
  service = description: arguments: {
    inherit description;
    serviceConfig = {
      Type = "oneshot";
      ExecStart = "${cfg.update.program} ${arguments}";
      # Not failures: refused for now (1), not restarted because a model is loaded (3), needs the owner's consent (4).
      SuccessExitStatus = [1 3 4];
      Nice = 10;
      IOSchedulingClass = "idle";
    };
  };
in {
  options.ollamalive.update = {
    url = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "https://github.com/OWNER/REPO/releases/latest/download/";
      description = ''
        The address of the newest release: a folder on a web server with the release's files, ending in `/`. Needs
        `ollamalive.update.publicKey`. With `null`, nothing is fetched.
      '';
    };
    publicKey = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      example = lib.literalExpression "./release-key.asc";
      description = ''
        A file with the OpenPGP public key that releases are signed with, as `gpg --armor --export` makes it. Over the network,
        only what this key has signed is installed. An update may bring another key.
      '';
    };
    automatic = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Look for a new version once a day. It is installed unless a model is loaded or it was built for another configuration, and
        starts at the next restart. A model stays loaded for `ollamalive.ollama.keepAlive` after its last request, so choose a short
        time there, such as `"30m"`.
      '';
    };
    restartAt = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "04:30";
      description = ''
        Restart into an installed version at this time of day, unless a model is loaded. With `null`, the PC does not restart
        for an update.
      '';
    };
    program = lib.mkOption {
      type = lib.types.package;
      readOnly = true;
      internal = true;
      default = pkgs.writeScript "ollamalive-update" commandText;
      description = "What `ollamalive update` runs.";
    };
    scripts = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      readOnly = true;
      internal = true;
      default = {
        ollamalive-update = commandText;
        "ollamalive-update.jq" = decisionText;
      };
      description = "The texts of this module's programs, by name.";
    };
  };

  config = lib.mkMerge [
    {
      # update.jq compares these, so that an update built for another owner is noticed.
      system.nixos.extraOSReleaseArgs = {
        OLLAMALIVE_LAYOUT = "2";
        OLLAMALIVE_USER = cfg.user;
        OLLAMALIVE_HOST_NAME = config.networking.hostName;
        OLLAMALIVE_MODELS_DRIVE = toString cfg.models.drive;
        OLLAMALIVE_MODELS_FOLDER = toString cfg.models.folder;
        OLLAMALIVE_ALLOWED_NETWORKS = toString cfg.ollama.allowedNetworks;
        OLLAMALIVE_SSH_PORT = toString cfg.ssh.port;
        OLLAMALIVE_OLLAMA_PORT = toString cfg.ollama.port;
      };
      environment.etc = definitions "ollamalive/pushed.d" fromPush;
    }
    (lib.mkIf (url != null) {
      environment.etc =
        # Not nixpkgs' services.sysupdate: it would install updates without the checks of update.sh.
        definitions "sysupdate.d" fromServer
        # systemd looks for the first name before version 261, for the second one since.
        // lib.genAttrs ["systemd/import-pubring.gpg" "systemd/import-pubring.pgp"] (_: {source = keyring;});
    })
    (lib.mkIf (cfg.update.automatic && url != null) {
      systemd.services.ollamalive-update = service "Fetch a new version" "";
      systemd.timers.ollamalive-update = lib.recursiveUpdate (timer "daily") {
        timerConfig.RandomizedDelaySec = "6h";
        # The PC is off most of the time.
        timerConfig.Persistent = true;
      };
    })
    (lib.mkIf (cfg.update.restartAt != null) {
      systemd.services.ollamalive-restart = service "Restart into a new version" "--restart-into";
      systemd.timers.ollamalive-restart = timer cfg.update.restartAt;
    })
  ];
}
