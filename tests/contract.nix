# nixosSystem -> plain data, grouped by concern: what the snapshots record and the machine is held to.
#
# The values hold what this project decides, so they are the same on every supported release of NixOS. `scripts` and
# `sshd_config` are text, with the same property. `texts` is what NixOS renders from the values; it differs between
# releases, so it names the release that it comes from.
{
  config,
  options,
  pkgs,
  ...
}: let
  inherit (pkgs) lib;
  cfg = config.ollamalive;
  inherit (import ./contract/text.nix {inherit lib;}) directive lines plain rules text unique;
  systemd = import ./contract/units.nix {inherit config lib pkgs;};

  inherit (config.services) openssh;
  inherit (config.networking) firewall;
  inherit (config.virtualisation) docker;

  wantedPackages = [
    "curl"
    "git"
    "htop"
    "nano"
    "nvtop"
    "pciutils"
    "tmux"
    "tree"
    "usbutils"
  ];
  installed = map lib.getName config.environment.systemPackages;

  # As for a build: a configuration that would not build has no contract.
  failed = map (check: "- ${check.message}") (lib.filter (check: !check.assertion) config.assertions);
in
  lib.throwIf (failed != []) "Failed assertions:\n${lib.concatLines failed}" {
    system = {
      inherit (config.networking) hostName;
      inherit (config.time) hardwareClockInLocalTime timeZone;
      inherit (config.console) keyMap;
      locale = config.i18n.defaultLocale;
      inherit (config.system) stateVersion;
      inherit (pkgs.config) allowUnfree;
      nix = config.nix.enable;
      microcode = {
        amd = config.hardware.cpu.amd.updateMicrocode;
        intel = config.hardware.cpu.intel.updateMicrocode;
      };
      kernelParams = lib.filter (param: lib.any (prefix: lib.hasPrefix prefix param) ["console=" "mount." "panic=" "systemd."]) config.boot.kernelParams;
      autologin = {
        user = config.services.getty.autologinUser;
        once = config.services.getty.autologinOnce;
      };
      emergencyMode = config.systemd.enableEmergencyMode;
      packages = lib.filter (name: lib.any (lib.hasPrefix name) installed) wantedPackages;
    };

    users = {
      # The account that logs in.
      owner = cfg.user;
      accounts = lib.mapAttrs (
        _: user: {
          inherit
            (user)
            group
            hashedPassword
            home
            uid
            ;
          extraGroups = unique user.extraGroups;
          shell = baseNameOf (text (user.shell.shellPath or user.shell));
          authorizedKeys = unique user.openssh.authorizedKeys.keys;
        }
      ) (lib.filterAttrs (name: user: user.isNormalUser || name == "root") config.users.users);
      mutable = config.users.mutableUsers;
      sudo = {inherit (config.security.sudo) enable wheelNeedsPassword;};
      zsh = {
        inherit (config.programs.zsh) enable histSize;
        autosuggestions = config.programs.zsh.autosuggestions.enable;
        syntaxHighlighting = config.programs.zsh.syntaxHighlighting.enable;
      };
    };

    ssh = {
      inherit (openssh) authorizedKeysFiles enable;
      inherit (cfg.ssh) port;
      hostKeys = map (key: {inherit (key) path type;}) openssh.hostKeys;
    };

    # NixOS builds this file and does not evaluate it, so it is put together here in NixOS's order: settings first. sshd
    # takes the first of two lines of one name.
    sshd_config = lib.concatLines (
      lib.mapAttrsToList directive (lib.filterAttrs (_: value: value != null) openssh.settings)
      # Only some releases write this line, which is sshd's default.
      ++ lib.filter (line: line != "Banner none") (lines openssh.extraConfig)
    );

    names = {
      resolved = config.services.resolved.enable;
      networkManager = config.networking.networkmanager.dns;
      settings = lib.mapAttrs (_: plain) {
        inherit (config.services.resolved.settings.Resolve) DNSSEC FallbackDNS LLMNR MulticastDNS;
      };
      # What /etc/resolv.conf links to.
      resolvConf = text (config.environment.etc."resolv.conf".source or "");
    };

    firewall = {
      inherit
        (firewall)
        allowPing
        enable
        extraInputRules
        trustedInterfaces
        ;
      backend =
        if config.networking.nftables.enable
        then "nftables"
        else "iptables";
      tcpPorts = unique firewall.allowedTCPPorts;
      udpPorts = unique firewall.allowedUDPPorts;
      tcpPortRanges = firewall.allowedTCPPortRanges;
      udpPortRanges = firewall.allowedUDPPortRanges;
      inherit (config.networking.nftables) flushRuleset;
      tables = lib.mapAttrs (_: table: {
        inherit (table) family;
        content = rules table.content;
      }) (lib.filterAttrs (_: table: table.enable) config.networking.nftables.tables);
    };

    filesystems =
      lib.mapAttrs (_: fs: {
        inherit
          (fs)
          depends
          device
          fsType
          neededForBoot
          options
          ;
      })
      config.fileSystems;

    tmpfiles = lib.filter (lib.hasInfix "/home/${cfg.user}") config.systemd.tmpfiles.rules;

    docker = {
      daemon = lib.filterAttrs (_: value: value != null) (
        lib.getAttrs ["features" "group" "hosts" "log-driver" "storage-driver"] docker.daemon.settings
      );
      dataRoot = docker.daemon.settings.data-root or "/var/lib/docker";
    };

    ollama = {
      inherit (cfg.ollama) allowedNetworks keepLoaded port pull settings;
      # What the container runs by, and what is asked of the registry.
      image = cfg.ollama.reference.local;
      inherit (cfg.ollama.reference) remote;
      container = "ollama";
      unit = "docker-ollama.service";
      # Where models are if there are none yet.
      modelsDir =
        if cfg.models.drive == null
        then "/persist/models/models"
        else "/mnt/models/${
          if cfg.models.folder == null
          then "ollama/models"
          else cfg.models.folder
        }";
    };

    models = {
      inherit (cfg.models) drive folder;
      mountPoint =
        if cfg.models.drive == null
        then "/persist"
        else "/mnt/models";
    };

    gpu = {
      inherit (cfg.gpu) driver;
      openModule = config.hardware.nvidia.open;
      # By its parts: on one line it would be long.
      udevRule = lib.splitString ", " (text (lib.trim cfg.gpu.rule));
      modesetting = config.hardware.nvidia.modesetting.enable;
      cdi = config.hardware.nvidia-container-toolkit.enable;
      inherit (config.services.xserver) videoDrivers;
    };

    update = {
      inherit (cfg.update) automatic restartAt url;
      signed = cfg.update.publicKey != null;
      # What each version says of itself.
      osRelease = config.system.nixos.extraOSReleaseArgs;
      runtimeWatchdog = config.systemd.settings.Manager.RuntimeWatchdogSec or null;
      trialJob = config.systemd.targets.boot-complete.unitConfig;
    };

    persist = {
      inherit (cfg.persist) bindMounts label;
      mountPoint = "/persist";
      device = "/dev/ollamalive/${cfg.persist.label}";
      fsType = "ext4";
      unit = "persist.service";
      inInitrd = config.boot.initrd.systemd.services ? persist;
    };

    # The options that an owner can set, for docs/options.md.
    options =
      map (option: {
        inherit (option) name type;
        readOnly = option.readOnly or false;
        description = option.description.text or option.description;
        # In Nix's own syntax, or in words.
        default = option.default or null;
        example = option.example.text or null;
        declaredIn = map (file: "modules/${lib.last (lib.splitString "/modules/" (toString file))}") option.declarations;
      }) (
        lib.filter (option: option.visible && !option.internal) (lib.optionAttrSetToDocList options.ollamalive)
      );

    inherit (systemd) units;

    scripts =
      systemd.scripts
      // lib.mapAttrs (_: text) (cfg.health.scripts // cfg.update.scripts)
      // {
        login-shell-init = text config.environment.loginShellInit;
        ollamalive-gpu = "#!${text pkgs.runtimeShell}\n${builtins.readFile ../modules/gpu.sh}";
        ollamalive-image = "#!${text pkgs.runtimeShell}\n${builtins.readFile ../modules/free-space.sh}${builtins.readFile ../modules/ollama-image.sh}";
        started-from = builtins.readFile ../modules/stick.sh;
      };

    texts =
      systemd.texts
      // {
        inherit (lib.trivial) release;
        fstab = text config.environment.etc.fstab.text;
      };

    image = {
      layoutVersion = lib.toInt config.system.nixos.extraOSReleaseArgs.OLLAMALIVE_LAYOUT;
      inherit (cfg.stick) diskId;
      repart = config.systemd.repart.partitions;
      udevRules = lines (cfg.stick.rules "/etc/ollamalive/started-from");
      partitions = lib.mapAttrsToList (name: partition:
        partition
        // {
          inherit name;
          # Every commit has another version.
          Label = lib.replaceStrings [cfg.image.version] ["VERSION"] partition.Label;
        })
      cfg.image.partitions;
      sizeBytes = cfg.image.size;
      espBytes = cfg.image.espSize * 1048576;
      storeSlotBytes = cfg.image.storeSize * 1048576;
      persistOffsetBytes = cfg.image.persistOffset;
    };
  }
