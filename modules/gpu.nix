# An NVIDIA GPU for containers, by CDI (Container Device Interface): the driver is on the host,
# CUDA is in the container. Without a GPU, or with one that the driver cannot run, the name
# nvidia.com/gpu=all still exists and stands for nothing, so that Ollama starts on the CPU.
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
  # QEMU's test machine would leave the driver out, which the toolkit insists on.
  virtualisation.vmVariant.services.xserver.videoDrivers = lib.mkOverride 5 ["nvidia"];

  systemd.services.nvidia-container-toolkit-cdi-generator = {
    # 0x10de is NVIDIA. Without one the generator is skipped, it does not fail.
    serviceConfig.ExecCondition = ''/bin/sh -c "grep -qx 0x10de /sys/bus/pci/devices/*/vendor"'';
    # A GPU that does not come up must not take Docker along.
    requiredBy = lib.mkForce [];
  };

  systemd.services.gpu-fallback = {
    description = "Stand-in for a missing NVIDIA GPU";
    wantedBy = ["multi-user.target"];
    after = ["nvidia-container-toolkit-cdi-generator.service"];
    # udev runs the generator again when the driver appears late.
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
