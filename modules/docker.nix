# Docker. All its state is on PERSIST.
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

  # Nothing waits for a nofail mount automatically. Without this, Docker would start before the mount and fill the root
  # file system, which is in memory.
  systemd.services.docker.unitConfig.RequiresMountsFor = ["/var/lib/docker"];
}
