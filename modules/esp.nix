# Copies files that the owner puts on the stick's FAT partition to PERSIST. Every computer can write that partition.
#
#   ollamalive/authorized_keys          SSH keys that may log in
#   ollamalive/network/*.nmconnection   NetworkManager connections, such as Wi-Fi
{
  config,
  pkgs,
  ...
}: {
  systemd.services.esp-import = {
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
    # Skipped if the system did not boot from a stick.
    unitConfig.ConditionPathExists = "/dev/ollamalive/ESP";
    path = [
      config.programs.ssh.package
      pkgs.coreutils
      pkgs.gnugrep
      pkgs.gnused
      pkgs.util-linux
    ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      StandardOutput = "journal+console";
    };
    script = builtins.readFile ./esp.sh;
  };
}
