# Ollama's files: its private key moves to PERSIST, and what interrupted commands left in the models folder is removed.
{
  lib,
  pkgs,
  ...
}: {
  virtualisation.oci-containers.containers.ollama.environment = {
    # Otherwise Ollama deletes downloads that were interrupted more than an hour ago. This turns off all of its cleaning, so
    # ollama-files.sh removes unused blobs.
    OLLAMA_NOPRUNE = "1";
  };

  systemd.services.docker-ollama = {
    path = [
      pkgs.findutils
      pkgs.gnugrep
    ];
    # After the part in ollama.nix, which sets $models and $beside.
    preStart = lib.mkAfter (builtins.readFile ./free-space.sh + builtins.readFile ./ollama-files.sh);
  };
}
