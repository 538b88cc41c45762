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
  esp = cfg.partitions."10-esp";
  efiArch = pkgs.stdenv.hostPlatform.efiArch;

  # The settings that say what a partition is and where, not what is in it.
  placing = ["Type" "SizeMinBytes" "SizeMaxBytes" "PaddingMinBytes" "PaddingMaxBytes"];

  # systemd-repart creates a whole disk, in two runs: without the ESP, and then, with the root of STORE's hashes known, the
  # ESP with the UKI that names it. nixpkgs defers a partition of type "esp", which ours is not. After the second run, this
  # wrapper truncates the image file behind slot A.
  repart = pkgs.buildPackages.writeShellScriptBin "systemd-repart" ''
    set -o pipefail
    # nixpkgs takes the root of every slot's hashes from what is printed, and slot B has none.
    ${pkgs.buildPackages.systemd}/bin/systemd-repart "''${@/#--defer-partitions=esp/--defer-partitions=${esp.Type}}" \
      | ${lib.getExe pkgs.buildPackages.jq} 'map(select(.label != "_empty"))' || exit
    case " $* " in
      *" --defer-partitions="*) ;;
      *) ${lib.getExe pkgs.buildPackages.python3} ${./end-after-slot-a.py} "''${!#}" ${config.ollamalive.stick.diskId} ${toString cfg.size} ;;
    esac
  '';
  # For scripts that begin with `#!/usr/bin/env`.
  usrBin = pkgs.runCommand "usr-bin" {} ''
    mkdir $out
    ln -s ${lib.getExe' pkgs.coreutils "env"} $out/env
  '';
  # There is nothing to repartition, and /usr can be written.
  notFromStick = {
    boot.initrd.systemd.repart.enable = false;
    environment.usrbinenv = lib.mkForce options.environment.usrbinenv.default;
  };
in {
  config = {
    system.image = {
      id = "ollamalive";
      inherit (cfg) version;
    };

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
    # STORE is mounted at /usr, which is where systemd mounts what `usrhash` on the command line names.
    fileSystems."/nix/store" = lib.mkDefault {
      device = "/usr/nix/store";
      fsType = "none";
      options = ["bind"];
    };
    boot.initrd.systemd.dmVerity.enable = true;
    boot.initrd.supportedFilesystems.erofs = true;
    # The image has it: /usr is read-only.
    environment.usrbinenv = null;

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
      # wait for udev before the store is opened.
      ExecStartPost = "/bin/udevadm settle --timeout=30";
    };
    boot.initrd.systemd.services."systemd-veritysetup@usr" = {
      overrideStrategy = "asDropin";
      after = ["systemd-repart.service"];
    };
    # What is there already is found by its type, and only PERSIST is ever made or grown.
    systemd.repart.partitions =
      lib.mapAttrs (_: lib.filterAttrs (setting: _: lib.elem setting placing))
      (removeAttrs cfg.partitions ["10-esp" "60-persist"])
      // {
        "10-esp" = {inherit (esp) Type;};
        "60-persist" = removeAttrs cfg.partitions."60-persist" ["SizeMaxBytes"];
      };

    image.modules.raw = lib.mkForce {
      imports = ["${modulesPath}/image/repart.nix"];

      image.repart = {
        package = repart;
        verityStore = {
          enable = true;
          partitionIds = {
            esp = "10-esp";
            store-verity = "20-verity-a";
            store = "30-store-a";
          };
        };
        partitions =
          lib.mapAttrs (_: repartConfig: {inherit repartConfig;}) (removeAttrs cfg.partitions ["10-esp" "30-store-a"])
          // {
            "10-esp" = {
              contents = {
                "/EFI/BOOT/BOOT${lib.toUpper efiArch}.EFI".source = "${pkgs.systemd}/lib/systemd/boot/efi/systemd-boot${efiArch}.efi";
                "/loader/loader.conf".source = ./loader.conf;
                "/ollamalive/README.txt".source = ./esp-readme.txt;
              };
              repartConfig = esp;
            };
            "30-store-a" = {
              contents."/bin".source = usrBin;
              repartConfig = cfg.partitions."30-store-a";
            };
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

    # The ISO and the VM do not boot from a stick.
    image.modules.iso = notFromStick;
    virtualisation.vmVariant = notFromStick;
  };
}
