# The systemd units: their settings, their scripts, and the text that NixOS renders from both.
{
  config,
  lib,
  pkgs,
}: let
  inherit (import ./text.nix {inherit lib;}) plain text unique;
  merge = lib.foldl' lib.mergeAttrs {};

  # Units of this project, and NixOS's units that it relies on.
  ourUnits = lib.filter (name: config.systemd.services ? ${name}) [
    "docker-image-prune"
    "docker-ollama"
    "esp-import"
    "esp-report"
    "gpu-fallback"
    "gpu-watch"
    "ollama-pull"
    "ollamalive-health"
    "ollamalive-restart"
    "ollamalive-slots"
    "ollamalive-trial"
    "ollamalive-update"
    "persist"
  ];
  foreignUnits = [
    "docker"
    "nvidia-container-toolkit-cdi-generator"
    "sshd"
  ];

  # Units whose text the record has, besides our own.
  renderedUnits = foreignUnits ++ ["nftables" "serial-getty@" "sshd-keygen"];

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

  # Without the variables that are nothing but store paths: PATH is recorded by its packages' names, and would be a line
  # of a thousand characters.
  unitText = unit:
    lib.concatStringsSep "\n" (
      lib.filter
      (line: !(lib.hasPrefix "Environment=" line && lib.hasInfix "=${builtins.storeDir}/" line))
      (lib.splitString "\n" (text unit.text))
    );

  has = unit: config.systemd.units ? ${unit};
in {
  units = services ourUnits unit // services foreignUnits foreignUnit;

  scripts = merge (map jobScripts ourUnits);

  texts = {
    units = lib.listToAttrs (
      map (name: lib.nameValuePair name (unitText config.systemd.units.${name})) (
        lib.filter has (
          map (name: "${name}.service") (ourUnits ++ renderedUnits) ++ map (name: "${name}.timer") ourUnits
        )
      )
    );
    scripts = merge (
      map (name: jobScripts name // settingScripts name) (lib.filter (name: has "${name}.service") renderedUnits)
    );
  };
}
