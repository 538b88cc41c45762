# The partitions of the stick. The system is read-only and root is in memory, so a power cut cannot damage the system.
#
#   ESP       vfat       systemd-boot and one UKI (kernel, initrd and command line in one file) for each slot that holds a
#                        system; the owner's keys and connections (esp.nix)
#   VERITY A  dm-verity  the hashes of STORE A
#   STORE A   erofs      /nix/store
#   VERITY B  dm-verity  the other slot: listed in the image's partition table, but not part of the image file
#   STORE B   erofs
#   PERSIST   ext4       like slot B, listed but not part of the image file
#
# The command line of a UKI identifies its slot by the root hash (stick.nix).
#
# PERSIST starts at the same offset in every image. So any tool can write a new image over an old one: PERSIST's
# data stays as it is, and the new partition table lists it. At boot, the partition grows to the end of the stick.
{
  config,
  lib,
  ...
}: let
  cfg = config.ollamalive.image;
  mebibytes = n: "${toString n}M";
  fixed = size: {
    SizeMinBytes = mebibytes size;
    SizeMaxBytes = mebibytes size;
  };

  # 32 bytes for each block of 4096, level by level: 1/127 of the data. Twice that leaves room for later formats.
  veritySize = cfg.storeSize / 64;
  slotSize = veritySize + cfg.storeSize;
  bytes = mebibytes: mebibytes * 1024 * 1024;

  # systemd finds a system's slot by these types (Discoverable Partitions Specification).
  verity =
    fixed veritySize
    // {Type = "usr-x86-64-verity";};
  store =
    fixed cfg.storeSize
    // {Type = "usr-x86-64";};
  # Slot A, as systemd-repart fills it. The labels carry the version, as those that systemd-sysupdate writes.
  made = lib.mapAttrs (_: partition:
    partition
    // {
      VerityMatchKey = "store";
      # The default of 512 would make the hashes eight times as large.
      VerityDataBlockSizeBytes = "4096";
      VerityHashBlockSizeBytes = "4096";
      Minimize = "off";
    }) {
    verity =
      verity
      // {
        Verity = "hash";
        Label = "verity_${cfg.version}";
      };
    store =
      store
      // {
        Verity = "data";
        Label = "store_${cfg.version}";
        Format = "erofs";
      };
  };
in {
  options.ollamalive.image = {
    version = lib.mkOption {
      type = lib.types.strMatching "[0-9]{14}";
      internal = true;
      # flake.nix sets it.
      default = "19700101000000";
      description = "Version of the system: the time of its commit in UTC, as YYYYMMDDHHMMSS. Updates go from a lower to a higher one.";
    };
    espSize = lib.mkOption {
      type = lib.types.ints.between 64 4096;
      default = 512;
      description = "Size of the ESP in MiB. Changing it moves PERSIST, so sticks in use lose their data.";
    };
    storeSize = lib.mkOption {
      type = lib.types.ints.between 512 65536;
      default = 4096;
      description = "Size of each STORE in MiB. Changing it moves PERSIST, so sticks in use lose their data.";
    };
    size = lib.mkOption {
      type = lib.types.ints.positive;
      readOnly = true;
      # 1 MiB before the ESP, and 1 MiB after slot A for the backup partition table of the image.
      default = bytes (1 + cfg.espSize + slotSize + 1);
      defaultText = lib.literalMD "up to the end of slot A";
      description = "Size of the image file in bytes.";
    };
    persistOffset = lib.mkOption {
      type = lib.types.ints.positive;
      readOnly = true;
      default = cfg.size + bytes slotSize;
      defaultText = lib.literalMD "after slot B";
      description = "Offset of PERSIST in bytes.";
    };
    partitions = lib.mkOption {
      type = lib.types.attrsOf (lib.types.attrsOf lib.types.str);
      readOnly = true;
      internal = true;
      default = {
        "10-esp" =
          fixed cfg.espSize
          // {
            # "Microsoft basic data", because Windows and macOS hide partitions of type "EFI system". Firmware starts
            # BOOTX64.EFI from any FAT partition of a removable disk (UEFI 2.10, 3.5.1.1).
            Type = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7";
            Format = "vfat";
            Label = "ESP";
          };
        "20-verity-a" = made.verity;
        "30-store-a" =
          made.store
          // {
            PaddingMinBytes = mebibytes 1;
            PaddingMaxBytes = mebibytes 1;
          };
        # The label of a slot that systemd-sysupdate may write to.
        "40-verity-b" = verity // {Label = "_empty";};
        "50-store-b" = store // {Label = "_empty";};
        # The size in the image. On the PC, PERSIST grows and gets its file system (persist.nix).
        "60-persist" =
          fixed 16
          // {
            Type = "linux-generic";
            Label = config.ollamalive.persist.label;
          };
      };
      description = "The partitions of the image, as settings of repart.d(5).";
    };
  };
}
