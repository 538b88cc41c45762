# What update.nix and trial.nix share: the versions on the stick.
rec {
  # Where the ESP is mounted while an update is installed or a trial is judged.
  boot = "/run/ollamalive/boot";
  script = ''
    boot=${boot}
    undone=/persist/update-undone
    ${builtins.readFile ./versions.sh}'';
}
