{
  imports = [
    ./base.nix
    ./docker.nix
    ./esp.nix
    ./gpu.nix
    ./image.nix
    ./layout.nix
    ./models.nix
    ./network.nix
    ./ollama.nix
    ./persist.nix
    ./ssh.nix
    ./stick.nix
    ./user.nix
    ./values.nix
  ];
}
