# Every name and port that an owner can choose is another one.
{lib, ...}: {
  networking.hostName = lib.mkForce "Hal";
  time.timeZone = lib.mkForce "America/New_York";
  console.keyMap = lib.mkForce "us";

  ollamalive.user = lib.mkForce "alice";
  ollamalive.ssh.port = lib.mkForce 2222;
  ollamalive.gpu.driver = lib.mkForce "closed";
  ollamalive.ollama.port = lib.mkForce 8080;
  ollamalive.ollama.image = lib.mkForce "ollama/ollama:0.40.1";
  ollamalive.models.drive = lib.mkForce "UUID=01D9A1B2C3D4E5F6";
  ollamalive.models.folder = lib.mkForce "Games/[1] models";
}
