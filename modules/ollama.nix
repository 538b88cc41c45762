# The Ollama server: one container, kept running by systemd.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive.ollama;
  inherit (config.ollamalive) models;
  inherit (cfg) reference;

  # What ollama-image.sh needs is in the unit's environment and path.
  image = pkgs.writeShellScript "ollamalive-image" (builtins.readFile ./free-space.sh + builtins.readFile ./ollama-image.sh);

  # Sets $models, and $beside to where earlier versions kept Ollama's key.
  folder =
    if models.drive == null
    then ''
      beside=/persist/models
      models=$beside/models''
    else ''
      root=/mnt/models
      # Access triggers the automount, which waits for a drive that is missing: once is enough.
      problem=$(ls "$root" 2>&1 >/dev/null) || cannot_start "$problem"
      beside=$root/ollama
      folder=${lib.escapeShellArg (toString models.folder)}
      ${builtins.readFile ./models-folder.sh}'';
in {
  options.ollamalive.ollama = {
    image = lib.mkOption {
      type = lib.types.str;
      default = "ollama/ollama:0.40.2@sha256:b86366bb528bbf7f1424435d165028497a5b69bf6ddb4fa5a87102e2b79f44fb";
      example = "ollama/ollama:0.40.1";
      description = ''
        The container image: `NAME:TAG`, `NAME@DIGEST` or both. One of them is required, so that an update never happens
        unnoticed. The image is downloaded once and stored on PERSIST; a download that does not match the digest is
        refused. A PC without internet access loads it from an archive in `/persist/images`. An archive has no digest to
        check: it has to hold an image with this name and tag.
      '';
    };

    reference = lib.mkOption {
      type = lib.types.attrsOf lib.types.unspecified;
      readOnly = true;
      internal = true;
      default = import ./image-reference.nix {inherit lib;} cfg.image;
      description = "The parts of the image's name.";
    };

    port = lib.mkOption {
      type = lib.types.port;
      default = 11434;
      description = "TCP port of Ollama, from 1024. The firewall opens it for `allowedNetworks`.";
    };

    allowedNetworks = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [];
      example = ["192.168.1.0/24"];
      description = ''
        IPv4 or IPv6 networks that may reach Ollama, as address or address/prefix. Ollama has no authentication:
        with an empty list, everyone who can reach the port can use it.
      '';
    };
  };

  config = {
    virtualisation.oci-containers = {
      backend = "docker";
      containers.ollama = {
        image = reference.local;
        # ollama-image.sh has pulled the image before, by its digest.
        pull = "never";
        # The unit logs what the container prints. Docker's daemon would log every line once more: under emulation, a model
        # took a quarter longer to load.
        log-driver = "none";
        environment.OLLAMA_HOST = "0.0.0.0:${toString cfg.port}";
        volumes = [
          # The server's own files, including its private key. Not on the models drive, which everyone can read.
          "/persist/ollama:/root/.ollama"
          # A link to the folder that is found at the start.
          "/run/ollamalive/models:/root/.ollama/models"
        ];
        extraOptions = [
          # The host network instead of a published port, so that the firewall's input rules apply.
          "--network=host"
          "--device=nvidia.com/gpu=all"
          # Ollama is open to the network. An attacker who breaks into it gets the models and the GPU, and nothing else on
          # this machine.
          "--cap-drop=all"
          "--security-opt=no-new-privileges"
          "--read-only"
          "--tmpfs=/tmp"
          "--pids-limit=512"
          # For each process. A client takes one file descriptor, and another while a model answers it. Docker sets no limit:
          # the container would get dockerd's own, from half a million up to a billion, and programs that close every possible
          # descriptor take minutes then (moby#38814).
          "--ulimit=nofile=65536:65536"
        ];
      };
    };

    systemd.services.docker-ollama = {
      description = "Ollama";
      after = ["gpu-fallback.service"];
      wants = ["gpu-fallback.service"];
      path = [
        pkgs.coreutils
        pkgs.gnutar
        pkgs.jq
      ];
      environment = {
        IMAGE = reference.local;
        REMOTE = reference.remote;
        DIGEST = toString reference.digest;
      };

      preStart = ''
        notice=/run/ollamalive/notices/models
        mkdir -p "''${notice%/*}"
        cannot_start() {
          local to_do=${lib.escapeShellArg (
          if models.drive == null
          then "Make room on PERSIST."
          else "Plug in the drive ${models.drive}, or correct ollamalive.models.drive."
        )}
          case $1 in
            *"Read-only file system"*) to_do="If it is a drive of Windows, switch off Fast Startup in Windows, then shut Windows down; do not hibernate." ;;
            *"No space left"*) to_do="Delete something there." ;;
            *"Input/output error"*) to_do="The drive has errors: check it, and copy what you need." ;;
            *"Not a directory"* | *"File exists"*) to_do="Rename the file that is in the place of the folder." ;;
          esac
          echo "Ollama cannot start yet: $1. $to_do" | tee "$notice"
          exit 1
        }

        ${folder}
        problem=$( { mkdir -p "$models" && ls "$models"; } 2>&1 >/dev/null) || cannot_start "$problem"
        rm -f "$notice"
        ln -sfn "$models" /run/ollamalive/models

        ${image} load
      '';

      # Not in preStart: a download can take long, and the boot would wait for it.
      script = lib.mkBefore ''
        ${image} fetch
      '';

      # systemd restarts the container without limit, because `docker run --rm` excludes --restart. The first restarts
      # follow quickly, then the delay grows while the network or the drive is missing.
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = {
        Restart = lib.mkForce "always";
        RestartSec = 1;
        RestartSteps = 5;
        RestartMaxDelaySec = 30;
      };
    };
  };
}
