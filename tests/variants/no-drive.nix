# Models are stored on PERSIST.
{lib, ...}: {
  ollamalive.models.drive = lib.mkForce null;
}
