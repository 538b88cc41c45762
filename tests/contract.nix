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
  sorted = lib.sort lib.lessThan;
  unique = list: sorted (lib.unique list);
  # Reading the contract must not build anything.
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

  # Rules without comments, and without the rule that only newer releases have.
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

  # Units of this project, and NixOS's units that it relies on.
  ourUnits = [
    "docker-image-prune"
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
  # Without the settings whose values are NixOS's own scripts.
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
    };

  # The part of NixOS's units that is the same on every release.
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

  # The scripts of a service under the names that NixOS gives them, with the two lines that it puts before each
  # (makeJobScript in nixos/lib/systemd-lib.nix).
  jobScripts = name: let
    service = config.systemd.services.${name};
    script = suffix: content:
      lib.nameValuePair "${name}-${suffix}" "#!${text pkgs.runtimeShell}\nset -e\n\n${text content}\n";
  in
    lib.listToAttrs (
      lib.mapAttrsToList script (
        lib.filterAttrs (_: content: content != "") {
          pre-start = service.preStart;
          start = service.script;
          post-start = service.postStart;
          pre-stop = service.preStop;
          post-stop = service.postStop;
        }
      )
    );

  # The scripts that a service's settings name as derivations. Their text is an attribute, nothing is built.
  settingScripts = name:
    lib.listToAttrs (
      map (script: lib.nameValuePair script.name (text script.text)) (
        lib.filter (value: lib.isDerivation value && value ? text) (
          lib.concatMap lib.toList (lib.attrValues config.systemd.services.${name}.serviceConfig)
        )
      )
    );

  merge = lib.foldl' lib.mergeAttrs {};

  # Units whose text the record has, besides our own.
  renderedUnits = foreignUnits ++ ["nftables" "serial-getty@" "sshd-keygen"];

  # Without the variables that are nothing but store paths: PATH is recorded by its packages' names, and would be a line
  # of a thousand characters.
  unitText = unit:
    lib.concatStringsSep "\n" (
      lib.filter
      (line: !(lib.hasPrefix "Environment=" line && lib.hasInfix "=${builtins.storeDir}/" line))
      (lib.splitString "\n" (text unit.text))
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
      kernelParams = lib.filter (lib.hasPrefix "console=") config.boot.kernelParams;
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

    units = services ourUnits unit // services foreignUnits foreignUnit;

    scripts =
      merge (map jobScripts ourUnits)
      // {
        login-shell-init = text config.environment.loginShellInit;
        started-from = builtins.readFile ../modules/stick.sh;
      };

    texts = {
      inherit (lib.trivial) release;
      fstab = text config.environment.etc.fstab.text;
      units = lib.listToAttrs (
        map (name: lib.nameValuePair name (unitText config.systemd.units.${name})) (
          lib.filter (name: config.systemd.units ? ${name}) (
            map (name: "${name}.service") (ourUnits ++ renderedUnits) ++ map (name: "${name}.timer") ourUnits
          )
        )
      );
      scripts = merge (
        map (name: jobScripts name // settingScripts name) (
          lib.filter (name: config.systemd.services ? ${name}) renderedUnits
        )
      );
    };

    image = {
      layoutVersion = 1;
      inherit (cfg.stick) diskId;
      repart = config.systemd.repart.partitions;
      udevRules = lines (cfg.stick.rules "/etc/ollamalive/started-from");
      partitions = lib.mapAttrsToList (name: partition: partition // {inherit name;}) cfg.image.partitions;
      espBytes = cfg.image.espSize * 1048576;
      storeSlotBytes = cfg.image.storeSize * 1048576;
      persistOffsetBytes = cfg.image.persistOffset;
    };
  }
