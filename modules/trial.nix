# A new version is on trial until it has proved itself: systemd-boot starts it three times at most, and then the version before
# it again. boot-complete.target is only wanted while the boot entry counts its tries, so what judges the trial hangs on that
# target alone: a system that was declared good once never restarts by itself for this.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive;
  # systemd-boot sets it when an entry counts.
  counts = "/sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
  own = map (cause: cause.id) (lib.filter (cause: cause.own or false) (import ./causes.nix));
  script = ''
    causes=${lib.escapeShellArg (toString own)}
    port=${toString cfg.ssh.port}
    key=${(lib.head config.services.openssh.hostKeys).path}.pub
    bless=${config.systemd.package}/lib/systemd/systemd-bless-boot
    variable=${counts}
    ${(import ./versions.nix).script}
    ${builtins.readFile ./trial.sh}'';
  path = [
    config.programs.ssh.package
    config.systemd.package
    pkgs.coreutils
    pkgs.findutils
    pkgs.gnugrep
    pkgs.gnused
    pkgs.jq
    pkgs.util-linux
  ];
in {
  config = {
    systemd.services.ollamalive-slots = {
      description = "Versions that were tried and undone";
      wantedBy = ["multi-user.target"];
      after = ["esp-import.service"];
      unitConfig.ConditionPathExists = "/dev/ollamalive/ESP";
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
      inherit path;
      script = script + "name_undone\n";
    };

    systemd.services.ollamalive-trial = {
      description = "Trial of a new version";
      requiredBy = ["boot-complete.target"];
      before = ["boot-complete.target"];
      after = ["persist.service" "ollamalive-slots.service"];
      unitConfig.FailureAction = "reboot-force";
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        TimeoutStartSec = "20min";
        StandardOutput = "journal+console";
      };
      inherit path;
      script = script + "judge\n";
    };
    # For a boot that hangs before.
    systemd.targets.boot-complete = {
      overrideStrategy = "asDropin";
      unitConfig = {
        JobTimeoutSec = "25min";
        JobTimeoutAction = "reboot-force";
      };
    };
    # It looks for a partition of another type at a place of its own.
    systemd.services.systemd-bless-boot = {
      overrideStrategy = "asDropin";
      environment.SYSTEMD_RELAX_ESP_CHECKS = "1";
      inherit path;
      serviceConfig.ExecStart = ["" "${pkgs.writeShellScript "bless" (script + "bless_boot\n")}"];
    };

    # A kernel or a PID 1 that hangs or crashes. The PC's watchdog restarts it, where it has one.
    boot.kernelParams = ["panic=10" "systemd.crash_reboot=yes"];
    systemd.settings.Manager.RuntimeWatchdogSec = "60s";

    # A version that cannot be started waits for somebody at the screen, unless it is on trial.
    boot.initrd.systemd.services.trial-failed = {
      description = "Restart, because a new version does not start";
      wantedBy = ["emergency.target"];
      before = ["emergency.service"];
      unitConfig = {
        DefaultDependencies = false;
        ConditionPathExists = counts;
      };
      serviceConfig = {
        Type = "oneshot";
        StandardOutput = "journal+console";
      };
      script = ''
        echo "The new version does not start: restarting."
        sleep 5
        systemctl reboot --force --force
      '';
    };
  };
}
