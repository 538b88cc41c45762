# One unit watches whether Ollama serves, and why not; one command tells: `ollamalive status`. The units that find a cause
# themselves write a notice, one sentence; this is the only reader of notices.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive;
  inherit (cfg.ollama) reference;
  shell = "#!${pkgs.runtimeShell}";

  settings = {
    config = {
      inherit (cfg.models) drive;
      inherit (cfg.ollama) port;
      image = reference.local;
      inherit (reference) remote;
      mountPoint = "/mnt/models";
    };
    causes = import ./causes.nix;
  };
  # A cause takes a line, and a second one for what only the manual says: the record of the configuration is read by people.
  causeText = cause: let
    machine = builtins.toJSON (removeAttrs cause ["more" "own" "simulated"]);
    manual = builtins.toJSON (builtins.intersectAttrs {
        more = null;
        simulated = null;
      }
      cause);
  in
    if manual == "{}"
    then machine
    else lib.removeSuffix "}" machine + ",\n      " + lib.removePrefix "{" manual;
  settingsText = ''
    { "config": ${builtins.toJSON settings.config},
      "causes": [
        ${lib.concatMapStringsSep ",\n    " causeText settings.causes}
      ] }
  '';
  settingsFile = pkgs.writeText "ollamalive-health.json" settingsText;
  decisionFile = pkgs.writeText "ollamalive-health.jq" (builtins.readFile ./health.jq);

  commandText = ''
    ${shell}
    jq=${lib.getExe pkgs.jq}
    update=${cfg.update.program}
    ${builtins.readFile ./status.sh}'';
  command = pkgs.writeTextFile {
    name = "ollamalive";
    text = commandText;
    executable = true;
    destination = "/bin/ollamalive";
  };

  programText = ''
    ${shell}
    settings=${settingsFile}
    decision=${decisionFile}
    port=${toString cfg.ollama.port}
    command=${command}/bin/ollamalive
    ${builtins.readFile ./health.sh}'';
  program = pkgs.writeTextFile {
    name = "ollamalive-health";
    text = programText;
    executable = true;
  };
in {
  options.ollamalive.health.scripts = lib.mkOption {
    type = lib.types.attrsOf lib.types.str;
    readOnly = true;
    internal = true;
    default = {
      ollamalive = commandText;
      ollamalive-health = programText;
      "ollamalive-health.jq" = builtins.readFile ./health.jq;
      "ollamalive-health.json" = settingsText;
    };
    description = "The texts of the programs here, by name.";
  };

  config = {
    environment.systemPackages = [command];
    # The login banner.
    environment.loginShellInit = ''
      ${command}/bin/ollamalive status 2>/dev/null
    '';

    systemd.services.ollamalive-health = {
      description = "Watch over Ollama";
      wantedBy = ["multi-user.target"];
      path = [
        config.virtualisation.docker.package
        pkgs.coreutils
        pkgs.curl
        pkgs.gnugrep
        pkgs.gnused
        pkgs.iproute2
        pkgs.jq
        pkgs.util-linux
        config.systemd.package
      ];
      # It says why others fail, so it never gives up.
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = {
        Type = "notify";
        # systemd-notify is a process of its own.
        NotifyAccess = "all";
        ExecStart = "${program} watch";
        Restart = "always";
        RestartSec = 5;
        # The models have the processor.
        Nice = 10;
        CPUQuota = "50%";
        TasksMax = 64;
      };
    };
  };
}
