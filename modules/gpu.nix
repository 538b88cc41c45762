# Gives containers the NVIDIA GPU through CDI (Container Device Interface). The driver is on the host, CUDA is in the
# container. Without a usable GPU, nvidia.com/gpu=all still exists but is empty, so Ollama starts on the CPU.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.ollamalive.gpu;
  generator = "nvidia-container-toolkit-cdi-generator.service";
  program = pkgs.writeShellScript "ollamalive-gpu" (builtins.readFile ./gpu.sh);

  drivers = config.boot.kernelPackages.nvidiaPackages;
  # Ollama refuses older ones for the cards that need a legacy driver. gpu.sh has the same number.
  oldest = "570";
  # Checked for each driver in nixpkgs: some throw an error, some do not build for this kernel.
  usable = name: let
    driver = builtins.tryEval (lib.isDerivation drivers.${name} && !(drivers.${name}.meta.broken or false));
  in
    driver.success && driver.value && lib.versionAtLeast drivers.${name}.version oldest;
  legacy = lib.filter usable (lib.filter (lib.hasPrefix "legacy_") (lib.attrNames drivers));
  isLegacy = lib.elem cfg.driver legacy;

  # What the units that run gpu.sh need.
  tools = {
    path = [
      pkgs.coreutils
      pkgs.gnugrep
      pkgs.gnused
      pkgs.jq
      config.systemd.package
    ];
    # The names of the cards.
    environment.PCI_IDS = "${pkgs.pciutils}/share/pci.ids";
  };
in {
  options.ollamalive.gpu = {
    driver = lib.mkOption {
      type = lib.types.str;
      default = "open";
      example = "legacy_580";
      description = ''
        The NVIDIA driver: one of `"open"`, `"closed"` and `"legacy_580"`. `"open"`, NVIDIA's open kernel module for GTX 16
        and RTX 20 to RTX 50, is right for nearly all. `"closed"` is its older kernel module, which does not know RTX 50: use
        it only if `"open"` causes problems. `"legacy_580"` is for GTX 750, 900 and 10, and Titan V. If a card does not work
        with the driver, the login banner names the card and what to write here.
      '';
    };
    legacy = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      readOnly = true;
      internal = true;
      default = legacy;
      description = "The drivers for older cards that Ollama can use.";
    };
    rule = lib.mkOption {
      type = lib.types.str;
      readOnly = true;
      internal = true;
      # nvidia_uvm is the module that the driver loads last. The rule in nixpkgs has a stray quote and never matches. The
      # generator itself waits until udev has created the devices.
      default = lib.concatStringsSep ", " [
        ''ACTION=="add"''
        ''SUBSYSTEM=="module"''
        ''KERNEL=="nvidia_uvm"''
        ''RUN+="${lib.getExe' config.systemd.package "systemctl"} --no-block restart ${generator}"''
      ];
      description = "The udev rule for a driver that loads late.";
    };
  };

  config = {
    services.xserver.videoDrivers = ["nvidia"];
    hardware.nvidia = {
      open = cfg.driver == "open";
      package = lib.mkIf isLegacy drivers.${cfg.driver};
      modesetting.enable = true;
    };
    hardware.nvidia-container-toolkit.enable = true;
    # The QEMU VM drops the video driver, but the toolkit requires it.
    virtualisation.vmVariant.services.xserver.videoDrivers = lib.mkOverride 5 ["nvidia"];

    # For the notices. Not in a unit's environment, because the version differs between NixOS releases.
    environment.etc."ollamalive/gpu-driver".text = "${config.hardware.nvidia.package.version} ${cfg.driver}\n";

    services.udev.extraRules = "${cfg.rule}\n";

    systemd.services.nvidia-container-toolkit-cdi-generator = {
      # 0x10de is NVIDIA. Without such a device the generator is skipped instead of failing.
      serviceConfig.ExecCondition = ''/bin/sh -c "grep -qx 0x10de /sys/bus/pci/devices/*/vendor"'';
      # Docker must start even if the GPU does not.
      requiredBy = lib.mkForce [];
    };

    systemd.services.gpu-fallback =
      tools
      // {
        description = "CDI fallback for a missing NVIDIA GPU";
        wantedBy = ["multi-user.target"];
        after = [generator];
        # When the generator runs again, this unit does too. It restarts Ollama if there is a GPU now.
        partOf = [generator];
        before = ["docker-ollama.service"];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${program} report";
        };
      };

    systemd.services.gpu-watch =
      tools
      // {
        description = "Look at whether Ollama uses the NVIDIA GPU";
        wantedBy = ["docker-ollama.service"];
        after = ["docker-ollama.service"];
        # It starts whenever Ollama does, and Ollama's restarts are not limited either.
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = {
          # Not oneshot: the boot would wait for it while Ollama's image is downloaded.
          Type = "exec";
          ExecCondition = "${program} offered";
          ExecStart = "${program} watch";
        };
      };
  };
}
