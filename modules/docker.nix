# Docker, with everything that it keeps on PERSIST.
{
  virtualisation.docker = {
    enable = true;
    storageDriver = "overlay2";
    daemon.settings.features.cdi = true;
    autoPrune = {
      enable = true;
      dates = "weekly";
    };
  };

  # The mount is nofail, and therefore nothing waits for it by itself: Docker would start
  # without it and fill the root file system, which is memory.
  systemd.services.docker.unitConfig.RequiresMountsFor = ["/var/lib/docker"];
}
