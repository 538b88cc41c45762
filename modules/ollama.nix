# The Ollama server: one container, kept running by systemd.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive.ollama;
  inherit (config.ollamalive) models;
in {
  options.ollamalive.ollama = {
    image = lib.mkOption {
      type = lib.types.str;
      default = "ollama/ollama:0.12.6";
      example = "ollama/ollama:0.12.6";
      description = ''
        The container image. The tag is required, so that an update never happens unnoticed. The image is downloaded
        once and stored on PERSIST. A PC without internet access loads it from an archive in `/persist/images`.
      '';
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
        inherit (cfg) image;
        environment.OLLAMA_HOST = "0.0.0.0:${toString cfg.port}";
        volumes = [
          # The server's own files, its private key among them. The drive is no place for them: everyone can read it.
          "/persist/ollama:/root/.ollama"
          "${models.directory}/models:/root/.ollama/models"
        ];
        extraOptions = [
          # The host network instead of a published port, so that the firewall's input rules apply.
          "--network=host"
          "--device=nvidia.com/gpu=all"
          # Everyone on the network can talk to Ollama. Someone who finds a way in gets the models and the GPU, and nothing
          # else of this machine.
          "--cap-drop=all"
          "--security-opt=no-new-privileges"
          "--read-only"
          "--tmpfs=/tmp"
          "--pids-limit=512"
        ];
      };
    };

    systemd.services.docker-ollama = {
      description = "Ollama";
      after = ["gpu-fallback.service"];
      wants = ["gpu-fallback.service"];
      path = [pkgs.coreutils];

      preStart = ''
        models=${models.directory}
        image=${lib.escapeShellArg cfg.image}
        notice=/run/ollamalive/notices/models
        mkdir -p "''${notice%/*}"

        # Access triggers the automount. Without the drive, the folder cannot be created.
        if ! problem=$( { mkdir -p "$models" && ls "$models"; } 2>&1 >/dev/null); then
          echo "Ollama cannot start yet: $problem. "${lib.escapeShellArg (
          if models.drive == null
          then "Make room on PERSIST."
          else "Plug in the drive ${models.drive}, or correct ollamalive.models.drive."
        )} | tee "$notice"
          exit 1
        fi
        rm -f "$notice"

        # Without internet access, load the image from an archive on PERSIST (made by docker save).
        if ! docker image inspect "$image" >/dev/null 2>&1; then
          for archive in /persist/images/*.tar; do
            [ -e "$archive" ] || continue
            docker load --input "$archive" || echo "$archive is not an image archive that Docker can read: skipped"
          done
        fi
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
