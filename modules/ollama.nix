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

  # Whether Docker has the image, and it is the configured one. It knows the digest of an image that it has pulled; of one
  # from an archive, the line in `accepted` knows the ID.
  isReady = ''
    image=${lib.escapeShellArg reference.local}
    digest=${lib.escapeShellArg (toString reference.digest)}
    accepted=/persist/images/loaded

    is_ready() {
      local id
      id=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null) || return 1
      [ -z "$digest" ] && return 0
      docker image inspect --format '{{.RepoDigests}}' "$image" | grep -qF "@$digest" && return 0
      grep -qxF "$image $id" "$accepted" 2>/dev/null
    }
  '';
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
        # What is not there yet is pulled before, by its digest.
        pull = "never";
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
        ${isReady}
        if ! is_ready; then
          for archive in /persist/images/*.tar; do
            [ -e "$archive" ] || continue
            if ! content=$(docker load --input "$archive"); then
              echo "$archive is not an image archive that Docker can read: skipped"
            elif grep -qxF "Loaded image: $image" <<<"$content"; then
              id=$(docker image inspect --format '{{.Id}}' "$image")
              echo "$image $id" >"$accepted"
              echo "$archive is used for $image. Its digest is not checked: loaded from an archive, as $id"
              break
            else
              echo "$archive does not hold $image (''${content//$'\n'/, }): skipped"
            fi
          done
        fi
      '';

      # Here and not before the start: a download may take long, and the boot does not wait for it.
      script = lib.mkBefore ''
        ${isReady}
        if ! is_ready; then
          remote=${lib.escapeShellArg reference.remote}
          refused=/run/ollamalive/pull-error
          if ! docker pull "$remote" 2>"$refused"; then
            cat "$refused" >&2
            # A registry that refuses more downloads for now does so for longer if it is asked more often.
            if grep -qE 'toomanyrequests|429 Too Many' "$refused"; then sleep 900; fi
            exit 1
          fi
          [ "$remote" = "$image" ] || docker tag "$remote" "$image"
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
