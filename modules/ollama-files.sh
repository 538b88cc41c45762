# shellcheck shell=bash
# Runs before the server starts. $models holds Ollama's folder `models`.
: "${models:?}"
state=/persist/ollama
mkdir -p "$state" "$models/models"
chmod 700 "$state"

# Earlier versions kept Ollama's private key beside the models, where every user of Windows can read it. Without PERSIST it
# stays there, because /persist is then in memory.
key=id_ed25519
if [ -e "$models/$key" ] && [ ! -e "$state/$key" ] && [ "$(stat -f -c %T /persist)" != tmpfs ]; then
  cp "$models/$key.pub" "$state/$key.pub" || true
  cp "$models/$key" "$state/$key.new"
  chmod 600 "$state/$key.new"
  sync "$state/$key.new"
  mv "$state/$key.new" "$state/$key"
  rm -f "$models/$key" "$models/$key.pub"
  echo "moved Ollama's private key from $models to $state"
fi
if [ -e "$state/$key" ]; then
  chmod 600 "$state/$key"
fi

# Removes blobs that no model names, which a failed or interrupted `create` leaves behind. A blob of the last hour may still
# get a name, and partial downloads are resumed. A manifest without a digest means that the folder is damaged; then nothing
# is removed.
blobs=$models/models/blobs
manifests=$models/models/manifests
if [ -d "$blobs" ] && [ -d "$manifests" ] && [ -z "$(find "$manifests" -type f ! -exec grep -q 'sha256:[0-9a-f]' {} \; -print)" ]; then
  used=$(find "$manifests" -type f -exec grep -ohE 'sha256:[0-9a-f]{64}' {} + || true)
  [ -z "$used" ] || find "$blobs" -type f -mmin +60 -name 'sha256-*' | while IFS= read -r blob; do
    digest=${blob##*/sha256-}
    case "$digest" in
      *[!0-9a-f]*) continue ;; # a partial download
    esac
    case "$used" in
      *"sha256:$digest"*) ;;
      *)
        rm -f "$blob"
        echo "removed the blob $digest, which no model names"
        ;;
    esac
  done
fi

# The size of a model that a client pulls is not known beforehand, so the owner is warned early. A model with 7 billion
# parameters takes about 5 GiB.
space=/run/ollamalive/notices/space
free=$(($(free_bytes "$models") / 1024 / 1024))
if [ "$free" -lt 5120 ]; then
  echo "Only $free MiB are free for models in $models: remove some with docker exec ollama ollama rm NAME." | tee "$space"
else
  rm -f "$space"
fi
