# The partitions of the stick. The system is read-only and root is in memory, so a power cut cannot damage them.
#
#   ESP      vfat   the UKI (kernel, initrd and command line in one file), started by the firmware; the owner's keys and
#                   connections (esp.nix)
#   STORE    erofs  /nix/store
#   PERSIST  ext4   listed in the image's partition table, but not part of the image file
#
# PERSIST starts at the same offset in every image. So any tool can write a new image over an old one: it does not
# touch the data, and the new partition table finds it. At boot, the partition grows to the end of the stick.
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
in {
  options.ollamalive.image = {
    espSize = lib.mkOption {
      type = lib.types.ints.between 64 4096;
      default = 256;
      description = "Size of the ESP in MiB. Changing it moves PERSIST, so sticks in use lose their data.";
    };
    storeSize = lib.mkOption {
      type = lib.types.ints.between 512 65536;
      default = 4096;
      description = "Size of STORE in MiB. Changing it moves PERSIST, so sticks in use lose their data.";
    };
    persistOffset = lib.mkOption {
      type = lib.types.ints.positive;
      readOnly = true;
      # 1 MiB before the ESP, and 1 MiB after STORE for the backup partition table of the image.
      default = (1 + cfg.espSize + cfg.storeSize + 1) * 1024 * 1024;
      defaultText = lib.literalMD "after ESP and STORE";
      description = "Offset of PERSIST in bytes. Also the size of the image file.";
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
        "20-store" =
          fixed cfg.storeSize
          // {
            Type = "linux-generic";
            Format = "erofs";
            Label = "STORE";
            PaddingMinBytes = mebibytes 1;
            PaddingMaxBytes = mebibytes 1;
          };
        # It has this size only in the image. It grows, and gets its file system, on the PC.
        "30-persist" =
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
