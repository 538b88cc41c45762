# What is wrong with the options of updates: a list of sentences.
{lib}: {
  automatic,
  publicKey,
  restartAt,
  url,
  ...
}: let
  there = publicKey != null && builtins.pathExists publicKey;
  text = builtins.readFile publicKey;
  private = lib.hasInfix "PRIVATE KEY BLOCK-----" text;
  address = "https?://[^[:space:]/]+/([^[:space:]]*/)?";
in
  lib.optional (url != null && builtins.match address url == null)
  "ollamalive.update.url is ${builtins.toJSON url}. Write the address of a folder, ending in \"/\", such as \"https://github.com/OWNER/REPO/releases/latest/download/\"."
  ++ lib.optional (url != null && publicKey == null)
  "ollamalive.update.url is set, and ollamalive.update.publicKey is null: only signed updates are installed. Write the file with the key, such as ./release-key.asc."
  ++ lib.optional (publicKey != null && url == null)
  "ollamalive.update.publicKey is set, and ollamalive.update.url is null. Write the address of the releases, or leave the key out."
  ++ lib.optional (publicKey != null && !there)
  "ollamalive.update.publicKey is ${toString publicKey}, and there is no such file. Correct the name, or make the file known to the flake: git add."
  ++ lib.optional (there && !private && !(lib.hasInfix "-----BEGIN PGP PUBLIC KEY BLOCK-----" text))
  "ollamalive.update.publicKey has no OpenPGP public key in it. Write a file that `gpg --armor --export` made."
  ++ lib.optional (there && private)
  "ollamalive.update.publicKey has a private key in it, which every stick would carry. Write a file with the public one, as `gpg --armor --export` makes it."
  ++ lib.optional (automatic && url == null)
  "ollamalive.update.automatic is true, and ollamalive.update.url is null. Write the address of the releases."
  ++ lib.optional (restartAt != null && builtins.match "([01][0-9]|2[0-3]):[0-5][0-9]" restartAt == null)
  "ollamalive.update.restartAt is ${builtins.toJSON restartAt}. Write a time of day, such as \"04:30\"."
