# Builds the stick that layout.nix describes, and boots it.
{
  config,
  lib,
  options,
  pkgs,
  modulesPath,
  ...
}: let
  cfg = config.ollamalive.image;

  # systemd-repart creates a whole disk. This wrapper then truncates the image file where PERSIST begins.
  repart = pkgs.buildPackages.writeShellScriptBin "systemd-repart" ''
    ${pkgs.buildPackages.systemd}/bin/systemd-repart "$@" &&
      ${lib.getExe pkgs.buildPackages.python3} ${./end-before-persist.py} "''${!#}" ${config.ollamalive.stick.diskId}
  '';
in {
  config = {
    boot.loader.grub.enable = lib.mkDefault false;
    boot.initrd.availableKernelModules = [
      "ahci"
      "nvme"
      "sd_mod"
      "uas"
      "usb_storage"
      "virtio_blk"
      "virtio_pci"
      "virtio_scsi"
      "xhci_pci"
    ];

    # mkDefault, because other image formats define their own file systems.
    fileSystems."/" = lib.mkDefault {
      fsType = "tmpfs";
      options = [
        "mode=0755"
        "size=25%"
      ];
    };
    fileSystems."/nix/store" = lib.mkDefault {
      device = "/dev/ollamalive/STORE";
      fsType = "erofs";
      options = [
        "ro"
        "x-systemd.after=systemd-repart.service"
      ];
      noCheck = true;
    };
    # The store is in use until the end, so unmounting it at shutdown would always fail.
    systemd.units."nix-store.mount" = {
      overrideStrategy = "asDropin";
      text = ''
        [Unit]
        DefaultDependencies=false
      '';
    };

    boot.initrd.systemd.enable = true;
    # With root in memory, repart cannot detect the disk. It only ever changes PERSIST.
    boot.initrd.systemd.repart =
      {
        enable = lib.mkDefault true;
        device = "/dev/ollamalive/stick";
      }
      // lib.optionalAttrs (options.boot.initrd.systemd.repart ? discard) {discard = false;};
    boot.initrd.systemd.services.systemd-repart.serviceConfig = {
      # repart fails if the stick has no room for PERSIST. persist.service then explains the problem to the owner.
      SuccessExitStatus = 1;
      # After a write to a disk, udev removes its partitions and adds them again, which would kill a mount in progress. So
      # wait for udev before the store is mounted.
      ExecStartPost = "/bin/udevadm settle --timeout=30";
    };
    systemd.repart.partitions = {
      "10-esp" = {inherit (cfg.partitions."10-esp") Type;};
      "20-store" = removeAttrs cfg.partitions."20-store" ["Format"];
      "30-persist" = removeAttrs cfg.partitions."30-persist" ["SizeMaxBytes"];
    };

    image.modules.raw = lib.mkForce {
      imports = ["${modulesPath}/image/repart.nix"];

      image.repart = {
        name = "ollamalive";
        package = repart;
        partitions = {
          "10-esp" = {
            contents = {
              "/EFI/BOOT/BOOTX64.EFI".source = "${config.system.build.uki}/${config.system.boot.loader.ukiFile}";
              "/ollamalive/README.txt".source = ./esp-readme.txt;
            };
            repartConfig = cfg.partitions."10-esp";
          };
          "20-store" = {
            nixStorePrefix = "/";
            storePaths = [config.system.build.toplevel];
            repartConfig = cfg.partitions."20-store";
          };
          "30-persist".repartConfig = cfg.partitions."30-persist";
        };
        # "fragments" packs the tails of files together. The image becomes a third smaller and takes twice as long to build
        # (see mkfs.erofs(1); needs Linux 6.1).
        mkfsOptions.erofs = [
          "-zzstd,3"
          "-C65536"
          "-Efragments"
        ];
      };
    };

    # The ISO and the VM do not boot from a stick, so there is nothing to repartition.
    image.modules.iso.boot.initrd.systemd.repart.enable = false;
    virtualisation.vmVariant.boot.initrd.systemd.repart.enable = false;
  };
}
