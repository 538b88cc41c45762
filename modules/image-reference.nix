# The parts of a container image's name: `NAME:TAG`, `NAME@DIGEST` or `NAME:TAG@DIGEST`.
#
# `local` is the name that the container is started with: with the tag if there is one, because Docker keeps no digest for
# an image from an archive (moby#22011). `remote` is the name to pull. `problem` says why the name cannot be used.
{lib}: image: let
  parts = lib.splitString "@" image;
  tagged = builtins.head parts;
  split = builtins.match "(.+):([^:/]+)" tagged;
  # Docker prints the names of its own registry without it.
  short = lib.removePrefix "docker.io/" tagged;
  digest =
    if lib.length parts > 1
    then lib.last parts
    else null;
  name =
    if split == null
    then tagged
    else builtins.head split;
in {
  inherit digest;
  local =
    if split == null
    then image
    else short;
  remote =
    if digest == null
    then short
    else "${name}@${digest}";
  problem =
    if tagged == "" || (split == null && digest == null)
    then ''has neither a tag nor a digest. Write the version too, as in "ollama/ollama:0.40.2"''
    else if digest != null && (lib.length parts > 2 || builtins.match "sha256:[0-9a-f]{64}" digest == null)
    then ''has a digest that is not "sha256:" and 64 digits from 0 to f. Copy the whole digest''
    else null;
}
