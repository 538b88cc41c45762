# Settings that every appliance needs, regardless of its owner.
{pkgs, ...}: {
  # For the NVIDIA driver and the firmware of Wi-Fi cards.
  nixpkgs.config.allowUnfree = true;
  hardware.enableRedistributableFirmware = true;
  hardware.cpu.amd.updateMicrocode = true;

  # Boot messages go to the screen and to the serial line, for machines without a screen. The last entry becomes
  # /dev/console.
  boot.kernelParams = [
    "console=tty0"
    "console=ttyS0,115200"
  ];

  # An unplugged disk must not leave a headless machine at an emergency prompt.
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

  # Nothing to rotate: the journal limits its own size, and everything else in /var/log is lost at the next boot. At the
  # full hour, logrotate could also collide with its own configuration check and fail because the lock is taken.
  services.logrotate.enable = false;

  # The login banner. A unit that finds PERSIST, the models drive or a GPU missing writes a one-sentence notice file.
  environment.loginShellInit = ''
    for notice in /run/ollamalive/notices/*; do
      if [ -r "$notice" ]; then cat "$notice"; fi
    done 2>/dev/null
  '';
}
