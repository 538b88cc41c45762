{
  imports = [
    ./base.nix
    ./docker.nix
    ./gpu.nix
    ./image.nix
    ./layout.nix
    ./models.nix
    ./network.nix
    ./ollama.nix
    ./persist.nix
    ./ssh.nix
    ./user.nix
  ];
}
