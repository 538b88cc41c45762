# What outlives a reboot and a new image. /persist always exists: it is the PERSIST partition, or a
# piece of memory in its place, so that everything works the same without it, and nothing is kept.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.ollamalive.persist;

  unit = {
    description = "PERSIST, or memory in its place";
    unitConfig.DefaultDependencies = false;
    conflicts = [ "shutdown.target" ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      # The first place where someone looks who wonders where the data is.
      StandardOutput = "journal+console";
    };
    script = ''
      root=''${SYSROOT:-}
      device=/dev/disk/by-partlabel/${cfg.label}
      notice=/run/ollamalive/notices/persist
      mkdir -p "$root/persist" "''${notice%/*}"

      mount_persist() {
        if ! udevadm wait --settle --timeout=15 "$device" 2>/dev/null; then
          reason="there is no partition of that name (is the stick too small?)"
          return 1
        fi

        # Only what is empty is formatted: with no trace of a file system, partition table, anything.
        if ! found=$(wipefs --noheadings --output TYPE "$device"); then
          reason="it cannot be read"
          return 1
        fi
        case $found in
          ext4) ;;
          "")
            echo "PERSIST is empty: making its file system"
            mkfs.ext4 -q -L ${cfg.label} "$device" || true
            ;;
          *)
            reason="it is not ext4 but $(echo $found), which is left alone"
            return 1
            ;;
        esac

        # Repairs what a power cut left behind, and follows a partition that has grown.
        fsck.ext4 -p "$device" || true
        resize2fs "$device" >/dev/null 2>&1 || true
        if ! mount -t ext4 -o noatime "$device" "$root/persist"; then
          reason="it does not mount (see: journalctl -b -u persist)"
          return 1
        fi
      }

      if ! mountpoint -q "$root/persist"; then
        rm -f "$notice"
        if ! mount_persist; then
          echo "PERSIST cannot be used: $reason. Everything works, but NOTHING IS KEPT after a reboot." | tee "$notice"
          mount -t tmpfs -o size=50%,mode=0755 tmpfs "$root/persist"
        fi
      fi

      cd "$root/persist"
      install -d -m 0755 home images journal nixos ssh
      install -d -m 0710 docker
      install -d -m 0700 network
      # sshd reads it as the user who logs in, and trusts it only while it is root's.
      if [ -e ssh/authorized_keys ]; then
        chown 0:0 ssh/authorized_keys
        chmod 0644 ssh/authorized_keys
      fi

      # The journal is filed under it, and DHCP servers know the machine by it. Read by the first process
      # of the real system, so it has to be in place before that starts.
      if [ -n "$root" ]; then
        [ -s machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > machine-id
        install -D -m 0444 machine-id "$root/etc/machine-id"
      fi
    '';
  };

  bindMounts = lib.mapAttrs (_: folder: {
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
  }) cfg.bindMounts;
in
{
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
    # In the initrd, because users, homes and the journal are set up right after it. The second
    # run, in the real system, finds /persist mounted unless there was no such initrd.
    boot.initrd.systemd = {
      extraBin = {
        mountpoint = "${pkgs.util-linux}/bin/mountpoint";
        wipefs = "${pkgs.util-linux}/bin/wipefs";
      };
      services.persist = unit // {
        environment.SYSROOT = "/sysroot";
        wantedBy = [ "initrd-fs.target" ];
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

    systemd.services.persist = unit // {
      wantedBy = [ "local-fs.target" ];
      after = [ "systemd-udevd.service" ];
      before = [
        "local-fs.target"
        "shutdown.target"
      ];
      path = [
        pkgs.coreutils
        pkgs.e2fsprogs
        pkgs.util-linux
        config.systemd.package
      ];
    };

    fileSystems = lib.mkIf config.boot.initrd.systemd.enable bindMounts;
    # QEMU's test machine drops all other file systems.
    virtualisation.vmVariant.virtualisation.fileSystems = bindMounts;
  };
}
