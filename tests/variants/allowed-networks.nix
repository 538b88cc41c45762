# Only the home network may reach Ollama.
{lib, ...}: {
  ollamalive.ollama.allowedNetworks = lib.mkForce ["192.168.1.0/24" "fd00:1::/64"];
}
