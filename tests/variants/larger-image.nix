# Room for more: the partitions of the image are larger.
{lib, ...}: {
  ollamalive.image.espSize = lib.mkForce 640;
  ollamalive.image.storeSize = lib.mkForce 5120;
}
