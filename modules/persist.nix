# What outlives a reboot and a new image. /persist always exists: it is the PERSIST partition, or a
# piece of memory in its place, so that everything works the same without it, and nothing is kept.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive.persist;

  unit = {
    description = "PERSIST, or memory in its place";
    unitConfig.DefaultDependencies = false;
    conflicts = ["shutdown.target"];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      # The first place where someone looks who wonders where the data is.
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
        # A mount that fails must not keep the machine from coming up ...
        "nofail"
        # ... but whatever is up then finds it mounted.
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
      description = "Name of the partition that is kept.";
    };
    bindMounts = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      readOnly = true;
      default = {
        "/home" = "home";
        "/var/lib/docker" = "docker";
        "/var/lib/nixos" = "nixos";
        "/var/log/journal" = "journal";
        "/etc/NetworkManager/system-connections" = "network";
      };
      description = "Folders of the system that are folders of PERSIST.";
    };
  };

  config = {
    # In the initrd, because users, homes and the journal are set up right after it. The unit of the
    # same name in the real system is then up already, and runs only where there is no such initrd.
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
    # QEMU's test machine drops all other file systems.
    virtualisation.vmVariant.virtualisation.fileSystems = bindMounts;
  };
}
