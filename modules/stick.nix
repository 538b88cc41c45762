# Names the stick that this machine booted from, and its partitions: /dev/ollamalive/{stick,ESP,PERSIST}, and STORE and
# VERITY of the running system's slot. Labels would not do, because a second stick has the same ones.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive.stick;
  # Uses the initrd's shell and the programs in its /bin.
  inInitrd = pkgs.writeScript "started-from" (builtins.readFile ./stick.sh);
in {
  options.ollamalive.stick = {
    diskId = lib.mkOption {
      type = lib.types.str;
      readOnly = true;
      default = "4f6c6c61-6d61-4c69-7665-5553425f7631";
      description = "The disk GUID in the partition table of every image.";
    };
    rules = lib.mkOption {
      type = lib.types.functionTo lib.types.lines;
      readOnly = true;
      internal = true;
      description = "Function from the path of stick.sh to the udev rules that name the stick.";
      default = program: ''
        SUBSYSTEM!="block", GOTO="ollamalive_end"
        ENV{ID_PART_TABLE_UUID}!="${cfg.diskId}", GOTO="ollamalive_end"
        ENV{DEVTYPE}=="disk", PROGRAM=="${program} $devnode", ENV{OLLAMALIVE_STICK}="1", SYMLINK+="ollamalive/stick"
        ENV{DEVTYPE}!="partition", GOTO="ollamalive_end"
        IMPORT{parent}="OLLAMALIVE_STICK"
        ENV{OLLAMALIVE_STICK}!="1", GOTO="ollamalive_end"
        ENV{ID_PART_ENTRY_NAME}=="ESP|PERSIST", SYMLINK+="ollamalive/$env{ID_PART_ENTRY_NAME}"
        PROGRAM=="${program} $devnode $env{ID_PART_ENTRY_UUID}", SYMLINK+="ollamalive/%c"
        LABEL="ollamalive_end"
      '';
    };
  };

  config = {
    # Where systemd looks for the slot. By default it looks for the partitions' IDs, which a second stick shares.
    boot.kernelParams = [
      "systemd.verity_usr_data=/dev/ollamalive/STORE"
      "systemd.verity_usr_hash=/dev/ollamalive/VERITY"
    ];
    boot.initrd.services.udev.rules = cfg.rules inInitrd;
    boot.initrd.systemd = {
      storePaths = [inInitrd];
      extraBin = {
        grep = "${pkgs.gnugrep}/bin/grep";
        partx = "${pkgs.util-linux}/bin/partx";
      };
    };
    # Without these variables, stick.sh would accept any stick. udev cannot mount the file system itself.
    boot.initrd.systemd.services.efivars = {
      description = "Mount of the UEFI variables";
      wantedBy = ["sysinit.target"];
      before = [
        "systemd-udevd.service"
        "systemd-udev-trigger.service"
      ];
      unitConfig = {
        DefaultDependencies = false;
        ConditionPathIsDirectory = "/sys/firmware/efi/efivars";
      };
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
      script = ''
        modprobe -q efivarfs || true
        mountpoint -q /sys/firmware/efi/efivars || mount -t efivarfs efivarfs /sys/firmware/efi/efivars
      '';
    };
    services.udev.extraRules = cfg.rules (pkgs.writeShellScript "started-from" ''
      PATH=${lib.makeBinPath [pkgs.coreutils pkgs.gnugrep pkgs.util-linux]}
      ${builtins.readFile ./stick.sh}
    '');
  };
}
