# The stick. Its system is read-only and its root is memory, so a power cut cannot damage it:
#
#   ESP      vfat   kernel, initrd and command line in one file, started by the firmware; and, from
#                   the owner, keys and connections (esp.nix)
#   STORE    erofs  /nix/store
#   PERSIST  ext4   listed in the image's partition table, but the image file ends where it begins
#
# PERSIST starts at the same offset in every image: whatever tool writes a new image over an old one
# leaves the data alone, and the new table finds it. On boot the entry grows to the end of the stick.
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
      description = "Size of the ESP in MiB. A change moves PERSIST: sticks in use lose it.";
    };
    storeSize = lib.mkOption {
      type = lib.types.ints.between 512 65536;
      default = 4096;
      description = "Size of STORE in MiB. A change moves PERSIST: sticks in use lose it.";
    };
    persistOffset = lib.mkOption {
      type = lib.types.ints.positive;
      readOnly = true;
      # One MiB before the ESP, and one after STORE for the image's own backup table.
      default = (1 + cfg.espSize + cfg.storeSize + 1) * 1024 * 1024;
      defaultText = lib.literalMD "behind ESP and STORE";
      description = "Where PERSIST begins, in bytes: also the size of the image file.";
    };
    partitions = lib.mkOption {
      type = lib.types.attrsOf (lib.types.attrsOf lib.types.str);
      readOnly = true;
      internal = true;
      default = {
        "10-esp" =
          fixed cfg.espSize
          // {
            # "Microsoft basic data", because Windows and macOS hide partitions of the type "EFI system"; firmware
            # starts BOOTX64.EFI from any FAT partition of a removable disk (UEFI 2.10, 3.5.1.1).
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
        # As small as this in the image only. Its file system is made on the machine.
        "30-persist" =
          fixed 16
          // {
            Type = "linux-generic";
            Label = config.ollamalive.persist.label;
          };
      };
      description = "The image's partitions, in the words of repart.d(5).";
    };
  };
}
