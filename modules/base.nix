# What every machine of this kind needs, whoever owns it.
{pkgs, ...}: {
  # NVIDIA's driver and the firmware of Wi-Fi cards.
  nixpkgs.config.allowUnfree = true;
  hardware.enableRedistributableFirmware = true;
  hardware.cpu.amd.updateMicrocode = true;

  # The last one named is /dev/console: boot messages go to the screen as well as to a
  # serial line, which is all that a machine without a screen has.
  boot.kernelParams = [
    "console=tty0"
    "console=ttyS0,115200"
  ];

  # A pulled-out disk must not leave a headless machine at a prompt that nobody can answer.
  systemd.enableEmergencyMode = false;

  nix.settings = {
    experimental-features = [
      "nix-command"
      "flakes"
    ];
    trusted-users = [
      "root"
      "@wheel"
    ];
  };

  environment.systemPackages = [
    pkgs.curl
    pkgs.git
    pkgs.htop
    pkgs.nano
    pkgs.nvtopPackages.nvidia
    pkgs.pciutils
    pkgs.tmux
    pkgs.tree
    pkgs.usbutils
  ];

  # Nothing to rotate: the journal looks after itself, and what else is under /var/log is gone with the next boot. On
  # the hour it could meet its own check of the configuration, and fail on the other's lock.
  services.logrotate.enable = false;

  # What is missing on this boot (PERSIST, the models drive, a GPU) is left here by the unit
  # that noticed, one sentence a file, and shown to whoever logs in.
  environment.loginShellInit = ''
    for notice in /run/ollamalive/notices/*; do
      if [ -r "$notice" ]; then cat "$notice"; fi
    done 2>/dev/null
  '';
}
