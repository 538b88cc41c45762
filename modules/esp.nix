# The owner's files on the stick's FAT partition, which every computer can write. At boot, keys and connections are copied to
# PERSIST; what became of each file is reported on the machine and on the stick.
#
#   ollamalive/authorized_keys          SSH keys that may log in; also authorized_keys.txt and *.pub, and beside the folder
#   ollamalive/network/*.nmconnection   NetworkManager connections, such as Wi-Fi
#   ollamalive/REPORT.txt               written by the machine: what became of each file, the address, the fingerprint
{
  config,
  lib,
  pkgs,
  ...
}: let
  text = lib.concatMapStringsSep "\n" builtins.readFile;
  fromStick = {
    # Skipped if the system did not boot from a stick.
    unitConfig.ConditionPathExists = "/dev/ollamalive/ESP";
    path = [
      config.networking.networkmanager.package
      config.programs.ssh.package
      pkgs.coreutils
      pkgs.diffutils
      pkgs.gnugrep
      pkgs.gnused
      pkgs.iproute2
      pkgs.iconv
      pkgs.util-linux
    ];
  };
in {
  systemd.services.esp-import =
    fromStick
    // {
      description = "Import of keys and connections from the stick's FAT partition";
      wantedBy = ["multi-user.target"];
      after = [
        "local-fs.target"
        "persist.service"
      ];
      before = [
        "NetworkManager.service"
        "sshd.service"
      ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        StandardOutput = "journal+console";
      };
      script = text [
        ./esp-text.sh
        ./esp-keys.sh
        ./esp-connections.sh
        ./esp-files.sh
        ./esp.sh
      ];
    };

  # A timer, because the address and the state change while the machine runs. Only a change is written to the stick.
  systemd.services.esp-report =
    fromStick
    // {
      description = "Report to the owner on the stick's FAT partition";
      after = ["esp-import.service"];
      environment.SSH_PORT = toString config.ollamalive.ssh.port;
      # Not oneshot: while it waits for an address, the boot would not be over.
      serviceConfig.Type = "exec";
      script = "run=/run/ollamalive\n" + builtins.readFile ./esp-report.sh + "\nmain\n";
    };
  systemd.timers.esp-report = {
    description = "Report to the owner on the stick's FAT partition, if it has changed";
    wantedBy = ["timers.target"];
    timerConfig = {
      OnActiveSec = "2min";
      OnUnitInactiveSec = "10min";
    };
  };
}
