# Gives containers the NVIDIA GPU through CDI (Container Device Interface). The driver is on the host, CUDA is in the
# container. Without a usable GPU, nvidia.com/gpu=all still exists but is empty, so Ollama starts on the CPU.
{
  pkgs,
  lib,
  ...
}: {
  services.xserver.videoDrivers = ["nvidia"];
  hardware.nvidia = {
    open = false;
    modesetting.enable = true;
  };
  hardware.nvidia-container-toolkit.enable = true;
  # The QEMU VM drops the video driver, but the toolkit requires it.
  virtualisation.vmVariant.services.xserver.videoDrivers = lib.mkOverride 5 ["nvidia"];

  systemd.services.nvidia-container-toolkit-cdi-generator = {
    # 0x10de is NVIDIA. Without such a device the generator is skipped instead of failing.
    serviceConfig.ExecCondition = ''/bin/sh -c "grep -qx 0x10de /sys/bus/pci/devices/*/vendor"'';
    # Docker must start even if the GPU does not.
    requiredBy = lib.mkForce [];
  };

  systemd.services.gpu-fallback = {
    description = "CDI fallback for a missing NVIDIA GPU";
    wantedBy = ["multi-user.target"];
    after = ["nvidia-container-toolkit-cdi-generator.service"];
    # udev restarts the generator if the driver loads late; this unit then runs again as well.
    partOf = ["nvidia-container-toolkit-cdi-generator.service"];
    before = ["docker-ollama.service"];
    path = [
      pkgs.coreutils
      pkgs.gnugrep
    ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
    script = ''
      spec=/run/cdi/no-gpu.json
      notice=/run/ollamalive/notices/gpu
      mkdir -p /run/cdi /run/ollamalive/notices
      rm -f "$spec" "$notice"

      if [ -s /run/cdi/nvidia-container-toolkit.json ]; then
        exit 0
      elif grep -qx 0x10de /sys/bus/pci/devices/*/vendor; then
        reason="The NVIDIA GPU is not usable (see: journalctl -u nvidia-container-toolkit-cdi-generator)"
      else
        reason="No NVIDIA GPU found"
      fi
      echo "$reason. Ollama runs on the CPU." | tee "$notice"

      cat > "$spec" <<'END'
      {
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "devices": [
          { "name": "all", "containerEdits": { "env": [ "OLLAMALIVE_GPU=none" ] } }
        ]
      }
      END
    '';
  };
}
