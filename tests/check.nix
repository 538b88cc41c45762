# A scenario as a check of the flake: the packaged harness boots the image that users flash, in Nix's sandbox, and holds it
# to the configuration that it was built from.
{
  contract,
  image,
  pkgs,
  xtask,
}: scenario:
pkgs.runCommand "vm-${scenario}" {
  nativeBuildInputs = [
    pkgs.rustc
    xtask
  ];
  # The tests' stand-in for Ollama is linked statically.
  buildInputs = [pkgs.glibc.static];
  requiredSystemFeatures = [
    "kvm"
    "nixos-test"
  ];
} ''
  export HOME=$TMPDIR OLLAMALIVE_CACHE=$TMPDIR/cache
  mkdir $out
  xtask test ${scenario} --image ${image} --contract ${contract} \
    --json $out/report.json --junit $out/report.xml
''
