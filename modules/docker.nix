# Docker. All its state is on PERSIST.
{
  config,
  lib,
  ...
}: {
  virtualisation.docker = {
    enable = true;
    storageDriver = "overlay2";
    daemon.settings.features.cdi = true;
  };

  # Nothing waits for a nofail mount automatically. Without this, Docker would start before the mount and fill the root
  # file system, which is in memory.
  systemd.services.docker.unitConfig.RequiresMountsFor = ["/var/lib/docker"];

  # Replaces NixOS's autoPrune, which either keeps every named image or also removes Ollama's while its container is
  # stopped.
  systemd.services.docker-image-prune = {
    description = "Removal of Docker images that no container uses";
    requires = ["docker.service"];
    # Before that, the image may not be loaded yet.
    after = ["docker.service" "docker-ollama.service"];
    path = [config.virtualisation.docker.package];
    serviceConfig.Type = "oneshot";
    script = ''
      image=${lib.escapeShellArg config.ollamalive.ollama.reference.local}
      keeper=keeps-configured-image

      if docker image inspect "$image" >/dev/null 2>&1; then
        # Docker never removes an image that a container uses, even if the container never runs.
        docker rm --force "$keeper" >/dev/null 2>&1 || true
        docker create --name "$keeper" --pull never "$image" >/dev/null
        docker image prune --all --force
        docker rm "$keeper" >/dev/null
      else
        # It may be loading right now, so every named image stays.
        docker image prune --force
      fi
    '';
  };

  systemd.timers.docker-image-prune = {
    description = "Weekly removal of unused Docker images";
    wantedBy = ["timers.target"];
    timerConfig = {
      OnCalendar = "weekly";
      # The PC is rarely on at that moment, so the next start makes up for it. persist.nix keeps the time of the last run.
      Persistent = true;
    };
  };
}
