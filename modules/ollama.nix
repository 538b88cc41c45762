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
      type = lib.types.strMatching ".+:.+";
      default = "ollama/ollama:0.12.6";
      example = "ollama/ollama:0.12.6";
      description = ''
        The container image, with a tag: what runs must not change by itself. It is downloaded once and kept on
        PERSIST; a machine without internet takes it from an archive in `/persist/images`.
      '';
    };

    port = lib.mkOption {
      type = lib.types.port;
      default = 11434;
      description = "TCP port that Ollama answers on, and that the firewall opens for `allowedNetworks`.";
    };

    allowedNetworks = lib.mkOption {
      type = lib.types.listOf (lib.types.strMatching "[0-9a-fA-F.:]+(/[0-9]+)?");
      default = [];
      example = ["192.168.1.0/24"];
      description = ''
        Networks that may reach Ollama, IPv4 or IPv6, as address or address/prefix. Ollama has no passwords:
        empty means everyone who reaches the port.
      '';
    };
  };

  config = {
    virtualisation.oci-containers = {
      backend = "docker";
      containers.ollama = {
        inherit (cfg) image;
        environment.OLLAMA_HOST = "0.0.0.0:${toString cfg.port}";
        volumes = ["${models.directory}:/root/.ollama"];
        extraOptions = [
          # Not published by Docker, so that the firewall's input rules decide who reaches it.
          "--network=host"
          "--device=nvidia.com/gpu=all"
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

        # Looking makes the automounter try. Without the drive there is no folder to write to.
        if ! problem=$( { mkdir -p "$models" && ls "$models"; } 2>&1 >/dev/null); then
          echo "Ollama waits: $problem. ${
          if models.drive == null
          then "Make room on PERSIST."
          else "Plug in the drive ${models.drive}, or correct ollamalive.models.drive."
        }" | tee "$notice"
          exit 1
        fi
        rm -f "$notice"

        # A machine without internet takes the image from an archive on PERSIST (docker save).
        if ! docker image inspect "$image" >/dev/null 2>&1; then
          for archive in /persist/images/*.tar; do
            [ -e "$archive" ] || continue
            docker load --input "$archive" || echo "$archive is not an image archive that Docker can read: skipped"
          done
        fi
      '';

      # systemd restarts it, for ever: `docker run` has --rm, which excludes --restart. Soon after
      # a crash, then less and less often while the network or the drive is missing.
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
