# The owner updates over the network, from the harness's server.
{lib, ...}: {
  # An address for documentation (RFC 5737), which the tests turn to their server.
  ollamalive.update.url = lib.mkForce "http://192.0.2.81/";
  ollamalive.update.publicKey = lib.mkForce ../keys/updates.asc;
  ollamalive.update.automatic = lib.mkForce true;
  ollamalive.update.restartAt = lib.mkForce "04:30";
}
