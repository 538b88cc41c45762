# Settings that every appliance needs, regardless of its owner.
{pkgs, ...}: {
  # For the NVIDIA driver and the firmware of Wi-Fi cards.
  nixpkgs.config.allowUnfree = true;
  hardware.enableRedistributableFirmware = true;
  hardware.cpu.amd.updateMicrocode = true;
  hardware.cpu.intel.updateMicrocode = true;

  # Windows keeps the zone's local time in the hardware clock. If this system took it for UTC, its clock would be hours off,
  # and Windows would find UTC there. systemd does not write to a clock in local time, so only Windows sets it, also for
  # daylight saving time.
  time.hardwareClockInLocalTime = true;

  # Boot messages go to the screen and to the serial line, for machines without a screen. The last entry becomes
  # /dev/console.
  boot.kernelParams = [
    "console=tty0"
    "console=ttyS0,115200"
  ];

  # An unplugged disk must not leave a headless machine at an emergency prompt.
  systemd.enableEmergencyMode = false;

  # The store is read-only, so Nix could neither build nor install anything here.
  nix.enable = false;

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
}
