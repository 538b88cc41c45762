# Fetches an image again that has lost files on a worn-out stick.
{
  config,
  lib,
  ...
}: {
  systemd.services.docker-ollama.postStop = lib.mkAfter ''
    image=${lib.escapeShellArg config.ollamalive.ollama.reference.local}
    ${builtins.readFile ./ollama-repair.sh}'';
}
