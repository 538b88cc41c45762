# Makes a scenario a flake check: in Nix's sandbox, the packaged harness boots the image that users flash and compares it
# with the configuration it was built from.
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
  # The test server that stands in for Ollama is linked statically.
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
