# Room for more: both partitions of the image are larger.
{lib, ...}: {
  ollamalive.image.espSize = lib.mkForce 320;
  ollamalive.image.storeSize = lib.mkForce 5120;
}
