# The files of the Ollama server: its own on PERSIST, and what is left in the models' folder when something was interrupted.
{
  lib,
  pkgs,
  ...
}: {
  virtualisation.oci-containers.containers.ollama.environment = {
    # Ollama would delete downloads that were interrupted more than an hour ago, and with them an evening's gigabytes. What
    # it tidied up besides, ollama-files.sh does.
    OLLAMA_NOPRUNE = "1";
  };

  systemd.services.docker-ollama = {
    path = [
      pkgs.findutils
      pkgs.gnugrep
    ];
    # Behind ollama.nix, which finds the models' folder.
    preStart = lib.mkAfter (builtins.readFile ./free-space.sh + builtins.readFile ./ollama-files.sh);
  };
}
