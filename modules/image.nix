# How the stick of layout.nix is built and started.
{
  config,
  lib,
  options,
  pkgs,
  modulesPath,
  ...
}: let
  cfg = config.ollamalive.image;

  # systemd-repart makes whole disks. This one then cuts the image file off before PERSIST.
  repart = pkgs.buildPackages.writeShellScriptBin "systemd-repart" ''
    ${pkgs.buildPackages.systemd}/bin/systemd-repart "$@" &&
      ${lib.getExe pkgs.buildPackages.python3} ${./end-before-persist.py} "''${!#}" ${config.ollamalive.stick.diskId}
  '';

  # Its name changed after 25.05.
  rootIsStore =
    if lib.versionAtLeast lib.trivial.release "25.11"
    then {nixStorePrefix = "/";}
    else {stripNixStorePrefix = true;};
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

    # Other kinds of image bring file systems of their own, which then count.
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
    # In use until the very end: systemd's own shutdown would try in vain to unmount it.
    systemd.units."nix-store.mount" = {
      overrideStrategy = "asDropin";
      text = ''
        [Unit]
        DefaultDependencies=false
      '';
    };

    boot.initrd.systemd.enable = true;
    # With root in memory, repart cannot guess the disk. Nothing but PERSIST is ever changed by it.
    boot.initrd.systemd.repart =
      {
        enable = lib.mkDefault true;
        device = "/dev/ollamalive/stick";
      }
      // lib.optionalAttrs (options.boot.initrd.systemd.repart ? discard) {discard = false;};
    boot.initrd.systemd.services.systemd-repart.serviceConfig = {
      # On a stick without room for PERSIST it gives up. Whatever keeps it from enlarging PERSIST, persist.service
      # sees the result and puts it in plain words.
      SuccessExitStatus = 1;
      # Whoever has written to a disk makes udev take its partitions away and bring them back. A mount
      # in that moment would be killed, so the store is mounted after it.
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
          "20-store" =
            rootIsStore
            // {
              storePaths = [config.system.build.toplevel];
              repartConfig = cfg.partitions."20-store";
            };
          "30-persist".repartConfig = cfg.partitions."30-persist";
        };
        # Ends of files packed together: a third less to download and to flash, for twice the time to make it (mkfs.erofs(1);
        # read by Linux from 6.1 on).
        mkfsOptions.erofs = [
          "-zzstd,3"
          "-C65536"
          "-Efragments"
        ];
      };
    };

    # What starts from elsewhere has no stick to look after.
    image.modules.iso.boot.initrd.systemd = {
      repart.enable = false;
      # Before 26.05, ISOs know only the old kind of initrd.
      enable = lib.mkForce (lib.versionAtLeast lib.trivial.release "26.05");
    };
    virtualisation.vmVariant.boot.initrd.systemd.repart.enable = false;
  };
}
