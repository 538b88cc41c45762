# What is wrong with the options under ollamalive.update: a sentence for each problem.
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
  "ollamalive.update.url is set, but ollamalive.update.publicKey is null: only signed updates are installed. Set it to the file with the public key, such as ./release-key.asc."
  ++ lib.optional (publicKey != null && url == null)
  "ollamalive.update.publicKey is set, but ollamalive.update.url is null. Write the address of the releases, or leave the key out."
  ++ lib.optional (publicKey != null && !there)
  "ollamalive.update.publicKey is ${toString publicKey}, but there is no such file. Correct the name or, if the file is new, `git add` it: a flake sees only files that Git knows."
  ++ lib.optional (there && !private && !(lib.hasInfix "-----BEGIN PGP PUBLIC KEY BLOCK-----" text))
  "ollamalive.update.publicKey contains no OpenPGP public key. Name a file that `gpg --armor --export` wrote."
  ++ lib.optional (there && private)
  "ollamalive.update.publicKey contains a private key, which every stick would carry. Name a file with the public key alone, as `gpg --armor --export` writes it."
  ++ lib.optional (automatic && url == null)
  "ollamalive.update.automatic is true, but ollamalive.update.url is null. Write the address of the releases."
  ++ lib.optional (restartAt != null && builtins.match "([01][0-9]|2[0-3]):[0-5][0-9]" restartAt == null)
  "ollamalive.update.restartAt is ${builtins.toJSON restartAt}. Write a time of day, such as \"04:30\"."
