# What the owner puts on the stick's FAT partition, which every computer can write, is taken over to PERSIST:
#
#   ollamalive/authorized_keys          who may log in
#   ollamalive/network/*.nmconnection   Wi-Fi and other connections of NetworkManager
{
  config,
  pkgs,
  ...
}: {
  systemd.services.esp-import = {
    description = "Keys and connections from the stick's FAT partition";
    wantedBy = ["multi-user.target"];
    after = [
      "local-fs.target"
      "persist.service"
    ];
    before = [
      "NetworkManager.service"
      "sshd.service"
    ];
    # Not where the system was started from elsewhere.
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
