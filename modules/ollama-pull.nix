# Models that are downloaded when Ollama starts, and the one that is loaded then.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive.ollama;
in {
  options.ollamalive.ollama = {
    pull = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [];
      example = ["llama3.2" "qwen3:8b"];
      description = ''
        Models to download when Ollama starts, by the names that ollama.com shows, or `HOST/NAMESPACE/MODEL:TAG` for another
        registry, such as `hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M` (with `http://` in front for one without TLS).
        A model that is already there is not downloaded again, so the PC can be offline later. One that does not fit on the
        drive is not downloaded. The login banner shows the progress, and why a model could not be downloaded.
      '';
    };

    keepLoaded = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "llama3.2";
      description = ''
        A model to load when Ollama starts, so that the first answer does not wait for it. It stays loaded, whatever
        `keepAlive` says, until a request has a `keep_alive` of its own, or another model needs the memory. List it in
        `pull` too, unless it is there already.
      '';
    };
  };

  config = lib.mkIf (cfg.pull != [] || cfg.keepLoaded != null) {
    systemd.services.ollama-pull = {
      description = "Download of models for Ollama";
      # Whenever Ollama starts: a restart unloads its models.
      wantedBy = ["docker-ollama.service"];
      after = ["docker-ollama.service"];
      partOf = ["docker-ollama.service"];
      path = [
        pkgs.coreutils
        pkgs.curl
        pkgs.jq
      ];
      environment = {
        SERVER = "http://127.0.0.1:${toString cfg.port}";
        FOLDER = "/run/ollamalive/models";
        PULL = lib.concatStringsSep " " cfg.pull;
        KEEP_LOADED = toString cfg.keepLoaded;
        NOTICE = "/run/ollamalive/notices/pull";
      };
      script = builtins.readFile ./free-space.sh + builtins.readFile ./ollama-pull.sh + "\nmain\n";
      # The script retries without limit; systemd restarts it only if it was killed.
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = {
        # Not oneshot: the boot would wait for the last model.
        Type = "exec";
        RemainAfterExit = true;
        Restart = "on-failure";
        RestartSec = 10;
        RestartSteps = 5;
        RestartMaxDelaySec = 600;
      };
    };
  };
}
