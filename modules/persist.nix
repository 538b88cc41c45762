# Data that survives a reboot and a new image. /persist always exists: it is the PERSIST partition or, without one, a
# tmpfs. Then everything works, but nothing is kept.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive.persist;

  unit = {
    description = "Mount of PERSIST, or of a tmpfs in its place";
    unitConfig.DefaultDependencies = false;
    conflicts = ["shutdown.target"];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      # Also on the console, where an owner who misses data looks first.
      StandardOutput = "journal+console";
    };
    script = builtins.readFile ./persist.sh;
  };

  bindMounts =
    lib.mapAttrs (_: folder: {
      device = "/persist/${folder}";
      fsType = "none";
      neededForBoot = true;
      options = [
        "bind"
        # A failed mount must not stop the boot ...
        "nofail"
        # ... but services that start later must find it mounted.
        "x-systemd.after=persist.service"
        "x-systemd.before=initrd-fs.target"
        "x-systemd.before=local-fs.target"
      ];
    })
    cfg.bindMounts;
in {
  options.ollamalive.persist = {
    label = lib.mkOption {
      type = lib.types.str;
      default = "PERSIST";
      readOnly = true;
      description = "Label of the PERSIST partition.";
    };
    bindMounts = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      readOnly = true;
      default = {
        "/home" = "home";
        "/var/lib/docker" = "docker";
        "/var/lib/nixos" = "nixos";
        "/var/lib/systemd/timers" = "timers";
        "/var/log/journal" = "journal";
        "/etc/NetworkManager/system-connections" = "network";
      };
      description = "System folders that are bind mounts of folders on PERSIST.";
    };
  };

  config = {
    # PERSIST is mounted in the initrd, because users, home folders and the journal are set up right after it. The unit
    # of the same name in the real system is then already active; it runs only with a scripted initrd.
    boot.initrd.systemd = {
      extraBin =
        lib.genAttrs ["blockdev" "lsblk" "mountpoint" "wipefs"] (name: lib.getExe' pkgs.util-linux name)
        // lib.genAttrs ["dumpe2fs" "resize2fs"] (name: lib.getExe' pkgs.e2fsprogs name);
      services.persist =
        unit
        // {
          environment.SYSROOT = "/sysroot";
          wantedBy = ["initrd-fs.target"];
          after = [
            "sysroot.mount"
            "systemd-repart.service"
            "systemd-udevd.service"
          ];
          before = [
            "initrd-fs.target"
            "shutdown.target"
          ];
        };
    };
    boot.initrd.supportedFilesystems.ext4 = true;

    systemd.services.persist =
      unit
      // {
        wantedBy = ["local-fs.target"];
        after = [
          "systemd-repart.service"
          "systemd-udevd.service"
        ];
        before = [
          "local-fs.target"
          "shutdown.target"
        ];
        path = [
          pkgs.coreutils
          pkgs.e2fsprogs
          pkgs.gnugrep
          pkgs.util-linux
          config.systemd.package
        ];
      };

    fileSystems = lib.mkIf config.boot.initrd.systemd.enable bindMounts;
    # The QEMU VM drops all other file systems.
    virtualisation.vmVariant.virtualisation.fileSystems = bindMounts;
  };
}
