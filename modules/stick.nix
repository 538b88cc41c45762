# The stick that this machine was started from, as /dev/ollamalive/{stick,ESP,STORE,PERSIST}: by these names, and not by
# labels, which a second stick has as well.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive.stick;
  # With the initrd's own shell, and what is in its /bin.
  inInitrd = pkgs.writeScript "started-from" (builtins.readFile ./stick.sh);
in {
  options.ollamalive.stick = {
    diskId = lib.mkOption {
      type = lib.types.str;
      readOnly = true;
      default = "4f6c6c61-6d61-4c69-7665-5553425f7631";
      description = "The id (GUID) that every image's partition table has.";
    };
    rules = lib.mkOption {
      type = lib.types.functionTo lib.types.lines;
      readOnly = true;
      internal = true;
      description = "Rules of udev that name the stick, from the path of stick.sh.";
      default = program: ''
        SUBSYSTEM!="block", GOTO="ollamalive_end"
        ENV{ID_PART_TABLE_UUID}!="${cfg.diskId}", GOTO="ollamalive_end"
        ENV{DEVTYPE}=="disk", PROGRAM=="${program} $devnode", ENV{OLLAMALIVE_STICK}="1", SYMLINK+="ollamalive/stick"
        ENV{DEVTYPE}=="partition", IMPORT{parent}="OLLAMALIVE_STICK"
        ENV{OLLAMALIVE_STICK}=="1", ENV{ID_PART_ENTRY_NAME}=="ESP|STORE|PERSIST", SYMLINK+="ollamalive/$env{ID_PART_ENTRY_NAME}"
        LABEL="ollamalive_end"
      '';
    };
  };

  config = {
    boot.initrd.services.udev.rules = cfg.rules inInitrd;
    boot.initrd.systemd = {
      storePaths = [inInitrd];
      extraBin = {
        grep = "${pkgs.gnugrep}/bin/grep";
        partx = "${pkgs.util-linux}/bin/partx";
      };
    };
    # Without them stick.sh would take the first stick that turns up. udev cannot mount them itself.
    boot.initrd.systemd.services.efivars = {
      description = "The firmware's variables";
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
