# What is wrong with the options of updates: a list of sentences.
{lib}: {
  automatic,
  publicKey,
  restartAt,
  url,
  ...
}: let
  text = builtins.readFile publicKey;
  address = "https?://[^[:space:]/]+/([^[:space:]]*/)?";
in
  lib.optional (url != null && builtins.match address url == null)
  "ollamalive.update.url is ${builtins.toJSON url}. Write the address of a folder, ending in \"/\", such as \"https://github.com/OWNER/REPO/releases/latest/download/\"."
  ++ lib.optional (url != null && publicKey == null)
  "ollamalive.update.url is set, and ollamalive.update.publicKey is null: nothing that is not signed is installed. Write the file with the key, such as ./release-key.asc."
  ++ lib.optional (publicKey != null && url == null)
  "ollamalive.update.publicKey is set, and ollamalive.update.url is null. Write the address of the releases, or leave the key out."
  ++ lib.optional (publicKey != null && !(builtins.pathExists publicKey))
  "ollamalive.update.publicKey is ${toString publicKey}, and there is no such file (git add makes it known to the flake)."
  ++ lib.optional (publicKey != null && builtins.pathExists publicKey && !(lib.hasInfix "-----BEGIN PGP PUBLIC KEY BLOCK-----" text))
  "ollamalive.update.publicKey is not an OpenPGP public key. Write a file that `gpg --armor --export` made."
  ++ lib.optional (publicKey != null && builtins.pathExists publicKey && lib.hasInfix "PRIVATE KEY" text)
  "ollamalive.update.publicKey is a file with a private key, which would be on every stick. Write the public one: `gpg --armor --export`."
  ++ lib.optional (automatic && url == null)
  "ollamalive.update.automatic is true, and ollamalive.update.url is null. Write the address of the releases."
  ++ lib.optional (restartAt != null && builtins.match "([01][0-9]|2[0-3]):[0-5][0-9]" restartAt == null)
  "ollamalive.update.restartAt is ${builtins.toJSON restartAt}. Write a time of day, such as \"04:30\"."
