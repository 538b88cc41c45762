# A new version is on trial until it is declared good: systemd-boot starts it at most three times, then the previous version
# again. boot-complete.target is started only while the boot entry counts its tries. What judges the trial is started by that
# target alone, so it never restarts a version that was declared good.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive;
  # systemd-boot sets this UEFI variable if the boot entry counts its tries.
  counts = "/sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
  # The IDs of causes that are the system's own fault.
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
    # For a boot that hangs before the trial begins.
    systemd.targets.boot-complete = {
      overrideStrategy = "asDropin";
      unitConfig = {
        JobTimeoutSec = "25min";
        JobTimeoutAction = "reboot-force";
      };
    };
    # By default systemd-bless-boot looks for an ESP of the type "EFI system" that is mounted in one of the usual places.
    systemd.services.systemd-bless-boot = {
      overrideStrategy = "asDropin";
      environment.SYSTEMD_RELAX_ESP_CHECKS = "1";
      inherit path;
      serviceConfig.ExecStart = ["" "${pkgs.writeShellScript "bless" (script + "bless_boot\n")}"];
    };

    # Restart if the kernel or PID 1 crashes and, on a PC with a watchdog, if they hang.
    boot.kernelParams = ["panic=10" "systemd.crash_reboot=yes"];
    systemd.settings.Manager.RuntimeWatchdogSec = "60s";

    # emergency.target waits for input at the console. During a trial, restart instead.
    boot.initrd.systemd.services.trial-failed = {
      description = "Restart because the new version did not start";
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
        echo "The new version did not start. Restarting."
        sleep 5
        systemctl reboot --force --force
      '';
    };
  };
}
