# nixosSystem -> plain data, grouped by concern: what the snapshots record and the machine is held to.
# Only what this project decides is in it, so that it is the same on every release of NixOS.
{
  config,
  options,
  pkgs,
  ...
}: let
  inherit (pkgs) lib;
  cfg = config.ollamalive;
  sorted = lib.sort lib.lessThan;
  unique = list: sorted (lib.unique list);
  # Nothing needs to be built for the contract to be read.
  text = value: builtins.unsafeDiscardStringContext (toString value);
  lines = string: lib.filter (line: line != "") (map lib.trim (lib.splitString "\n" (text string)));

  inherit (config.services) openssh;
  inherit (config.networking) firewall;
  inherit (config.virtualisation) docker;

  directive = name: value: let
    separator =
      if lib.elem name ["Ciphers" "KexAlgorithms" "Macs"]
      then ","
      else " ";
    words =
      if lib.isBool value
      then
        (
          if value
          then "yes"
          else "no"
        )
      else if lib.isList value
      then lib.concatStringsSep separator value
      else text value;
  in "${name} ${words}";

  # Rules without comments, and without the one that only newer releases have.
  rules = content: let
    withoutComment = line: let
      parts = builtins.match ''(.*[^ ])? *comment "[^"]*"'' line;
    in
      if lib.hasPrefix "#" line
      then ""
      else if parts == null
      then line
      else toString parts;
  in
    lib.filter (line: line != "" && line != "icmpv6 type echo-reply accept") (
      map withoutComment (lines content)
    );

  # Units that exist because of this project, and what it relies on of the others.
  ourUnits = [
    "docker-ollama"
    "esp-import"
    "gpu-fallback"
    "persist"
  ];
  foreignUnits = [
    "docker"
    "nvidia-container-toolkit-cdi-generator"
    "sshd"
  ];

  plain = value:
    if lib.isList value
    then map plain value
    else if lib.isString value || lib.isDerivation value || builtins.isPath value
    then text value
    else value;
  # Keys whose values are scripts of a release, and not ours.
  withoutStorePaths = lib.filterAttrs (
    _: value: !lib.hasInfix builtins.storeDir (builtins.toJSON (plain value))
  );

  relations = unit:
    lib.genAttrs [
      "after"
      "before"
      "requires"
      "wants"
      "bindsTo"
      "partOf"
      "wantedBy"
      "requiredBy"
    ] (relation: unique unit.${relation});

  unit = service:
    relations service
    // {
      description = service.description;
      unitConfig = lib.mapAttrs (_: plain) (
        removeAttrs service.unitConfig [
          "After"
          "Before"
          "BindsTo"
          "Conflicts"
          "Description"
          "PartOf"
          "Requires"
          "Wants"
          "X-Restart-Triggers"
          "X-Reload-Triggers"
          "X-StopOnReconfiguration"
        ]
      );
      serviceConfig = lib.mapAttrs (_: plain) (withoutStorePaths service.serviceConfig);
      environment = lib.mapAttrs (_: plain) (
        lib.filterAttrs (name: value: value != null && name != "PATH") service.environment
      );
      path = unique (
        map (package:
          if lib.isDerivation package
          then lib.getName package
          else text package)
        service.path
      );
      preStart = text service.preStart;
      script = text service.script;
      postStart = text service.postStart;
      preStop = text service.preStop;
      postStop = text service.postStop;
    };

  # What differs between releases in another's unit is left out.
  foreignUnit = service: {
    inherit (relations service) after before;
    unitConfig =
      lib.filterAttrs (name: _: name == "RequiresMountsFor" || lib.hasPrefix "Condition" name)
      (
        unit service
      ).unitConfig;
    serviceConfig = lib.filterAttrs (name: _: name == "ExecCondition") (unit service).serviceConfig;
  };

  services = names: f:
    lib.listToAttrs (
      map (name: lib.nameValuePair "${name}.service" (f config.systemd.services.${name})) names
    );

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
      inherit (config.time) timeZone;
      inherit (config.console) keyMap;
      locale = config.i18n.defaultLocale;
      inherit (config.system) stateVersion;
      inherit (pkgs.config) allowUnfree;
      experimentalFeatures = config.nix.settings.experimental-features;
      kernelParams = lib.filter (lib.hasPrefix "console=") config.boot.kernelParams;
      autologin = {
        user = config.services.getty.autologinUser;
        once = config.services.getty.autologinOnce;
      };
      emergencyMode = config.systemd.enableEmergencyMode;
      loginShellInit = lines config.environment.loginShellInit;
      packages = lib.filter (name: lib.any (lib.hasPrefix name) installed) wantedPackages;
    };

    users =
      lib.mapAttrs
      (
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
      )
      (
        lib.filterAttrs (name: user: user.isNormalUser || name == "root") config.users.users
      )
      // {
        mutable = config.users.mutableUsers;
        sudo = {inherit (config.security.sudo) enable wheelNeedsPassword;};
        zsh = {
          inherit (config.programs.zsh) enable histSize;
          autosuggestions = config.programs.zsh.autosuggestions.enable;
          syntaxHighlighting = config.programs.zsh.syntaxHighlighting.enable;
        };
      };

    ssh = {
      inherit (openssh) authorizedKeysFiles enable ports;
      hostKeys = map (key: {inherit (key) path type;}) openssh.hostKeys;
      # As it is rendered: settings first, and of two lines of one name the first counts.
      config = lib.concatLines (
        lib.mapAttrsToList directive (lib.filterAttrs (_: value: value != null) openssh.settings)
        # Said by some releases only, and without it there is none either.
        ++ lib.filter (line: line != "Banner none") (lines openssh.extraConfig)
      );
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
        content = lib.concatLines (rules table.content);
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
      autoPrune = {inherit (docker.autoPrune) dates enable flags;};
    };

    ollama = {
      inherit (cfg.ollama) allowedNetworks image port;
      container = "ollama";
      unit = "docker-ollama.service";
      modelsDir = cfg.models.directory;
    };

    models = {
      inherit (cfg.models) drive;
      mountPoint =
        if cfg.models.drive == null
        then "/persist"
        else "/mnt/models";
    };

    gpu = {
      driver =
        if config.hardware.nvidia.open
        then "open"
        else "proprietary";
      modesetting = config.hardware.nvidia.modesetting.enable;
      cdi = config.hardware.nvidia-container-toolkit.enable;
      inherit (config.services.xserver) videoDrivers;
    };

    persist = {
      inherit (cfg.persist) bindMounts label;
      mountPoint = "/persist";
      device = "/dev/ollamalive/${cfg.persist.label}";
      fsType = "ext4";
      unit = "persist.service";
      inInitrd = config.boot.initrd.systemd.services ? persist;
    };

    # What an owner can set, for docs/options.md.
    options = map (option: {
      inherit (option) name type;
      readOnly = option.readOnly or false;
      description = option.description.text or option.description;
      # As it is written in Nix, or in words.
      default = option.default or null;
      example = option.example.text or null;
      declaredIn = map (file: "modules/${lib.last (lib.splitString "/modules/" (toString file))}") option.declarations;
    }) (
      lib.filter (option: option.visible && !option.internal) (lib.optionAttrSetToDocList options.ollamalive)
    );

    units = services ourUnits unit // services foreignUnits foreignUnit;

    image = {
      layoutVersion = 1;
      inherit (cfg.stick) diskId;
      startedFrom = builtins.readFile ../modules/stick.sh;
      repart = config.systemd.repart.partitions;
      udevRules = cfg.stick.rules "/etc/ollamalive/started-from";
      partitions = lib.mapAttrsToList (name: partition: partition // {inherit name;}) cfg.image.partitions;
      espBytes = cfg.image.espSize * 1048576;
      storeSlotBytes = cfg.image.storeSize * 1048576;
      persistOffsetBytes = cfg.image.persistOffset;
    };
  }
