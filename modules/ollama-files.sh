# shellcheck shell=bash
# Runs before the server starts. $models holds Ollama's `blobs` and `manifests`; earlier versions kept its key in $beside.
: "${models:?}" "${beside:?}"
state=/persist/ollama
mkdir -p "$state"
chmod 700 "$state"

# Earlier versions kept Ollama's private key beside the models, where every user of Windows can read it. Without PERSIST it
# stays there, because /persist is then in memory.
key=id_ed25519
if [ -e "$beside/$key" ] && [ ! -e "$state/$key" ] && [ "$(stat -f -c %T /persist)" != tmpfs ]; then
  cp "$beside/$key.pub" "$state/$key.pub" || true
  cp "$beside/$key" "$state/$key.new"
  chmod 600 "$state/$key.new"
  sync "$state/$key.new"
  mv "$state/$key.new" "$state/$key"
  echo "moved Ollama's private key from $beside to $state"
fi
if [ -e "$state/$key" ]; then
  chmod 600 "$state/$key"
  # Also after a power cut between the copy and this. A drive that is read-only keeps it.
  if [ -e "$beside/$key" ] && [ "$(cat "$beside/$key")" = "$(cat "$state/$key")" ]; then
    rm -f "$beside/$key" "$beside/$key.pub" || true
  fi
fi

# Removes blobs that no model names, which a failed or interrupted `create` leaves behind. A pull gives its blobs a name only
# when it has all of them, which can be days later; partial downloads are resumed. A manifest without a digest, or one that
# cannot be read, means that the folder is damaged; then nothing is removed.
blobs=$models/blobs
manifests=$models/manifests
if [ -d "$blobs" ] && [ -d "$manifests" ] &&
  damaged=$(find "$manifests" -type f ! -exec grep -q 'sha256:[0-9a-f]' {} \; -print) && [ -z "$damaged" ] &&
  used=$(find "$manifests" -type f -exec grep -ohE 'sha256:[0-9a-f]{64}' {} +) && [ -n "$used" ]; then
  find "$blobs" -type f -mmin +10080 -name 'sha256-*' | while IFS= read -r blob; do
    digest=${blob##*/sha256-}
    case "$digest" in
      *[!0-9a-f]*) continue ;; # a partial download
    esac
    case "$used" in
      *"sha256:$digest"*) ;;
      *)
        # Models on a read-only drive still answer.
        if rm -f "$blob"; then
          echo "removed the blob $digest, which no model names"
        fi
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
