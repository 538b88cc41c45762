# The owner updates over the network, from the harness's server.
{lib, ...}: {
  ollamalive.update = {
    # An address for documentation (RFC 5737), which the tests turn to their server.
    url = lib.mkForce "http://192.0.2.81/";
    publicKey = lib.mkForce ../keys/updates.asc;
    automatic = lib.mkForce true;
    restartAt = lib.mkForce "04:30";
  };
}
