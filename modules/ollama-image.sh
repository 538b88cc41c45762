# shellcheck shell=bash
# Provides the image of Ollama's container (ollama.nix). `load` takes it from an archive on PERSIST, `fetch` from its
# registry.
# The unit's environment says:
#   IMAGE    the name that the container runs by
#   REMOTE   the name that the registry is asked for
#   DIGEST   the digest that the image must have, or nothing
# If the new image does not fit beside older ones of Ollama, those are removed, but only after the archive or the registry
# has shown that it has the new one: without a network, the old ones stay.

archives=/persist/images
# The name and the ID of an image that came from an archive, and the digest that was configured then.
accepted=$archives/loaded
# Where Docker stores images.
storage=/var/lib/docker
# What was free when the image last did not fit.
too_little=/run/ollamalive/image-did-not-fit
notice=/run/ollamalive/notices/image
archive_notice=/run/ollamalive/notices/archive
to_do="Delete something under /persist (unused images: docker image prune --all), or use a larger stick."

# Whether Docker has the image, and it is the configured one. Docker knows the digest of an image that it pulled; one that
# came from an archive is known by its ID.
is_ready() {
  local id
  id=$(docker image inspect --format '{{.Id}}' "$IMAGE" 2>/dev/null) || return 1
  [ -z "$DIGEST" ] && return 0
  docker image inspect --format '{{.RepoDigests}}' "$IMAGE" | grep -qF "@$DIGEST" && return 0
  grep -qxF "$IMAGE@$DIGEST $id" "$accepted" 2>/dev/null
}

# The name without tag and digest.
repository() {
  local name=${IMAGE%@*}
  case ${name##*/} in *:*) name=${name%:*} ;; esac
  echo "$name"
}

# Prints all images of the same name: `ID NAME:TAG`. Only called while none of them is the configured one.
old_images() {
  docker image ls --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' "$(repository)"
}

old_bytes() {
  local id bytes total=0
  while read -r id; do
    bytes=$(docker image inspect --format '{{.Size}}' "$id") || continue
    total=$((total + bytes))
  done < <(old_images | cut -d ' ' -f 1 | sort -u)
  echo "$total"
}

# Fails if nothing was removed: Docker keeps an image that a container uses.
remove_old() {
  local id name removed=1
  while read -r id name; do
    case $name in *":<none>") name=$id ;; esac
    if docker image rm "$name" >/dev/null; then
      echo "removed $name to make room for $IMAGE"
      removed=0
    fi
  done < <(old_images)
  return "$removed"
}

# Makes room for an image that needs at least $1 bytes, and probably $2. Fails if it cannot fit. The rest is a command that
# succeeds if the image can be had; it runs before anything is removed.
make_room() {
  local least=$1 probably=$2 free old
  shift 2
  free=$(free_bytes "$storage") || return 0
  [ "$free" -lt "$probably" ] || return 0
  old=$(old_bytes)
  if [ "$old" -gt 0 ] && [ $((free + old)) -ge "$least" ] && "$@"; then
    remove_old || true
    free=$(free_bytes "$storage")
  fi
  [ "$free" -lt "$least" ] || return 0
  problem="it needs at least $(size "$least") more on PERSIST, and $(size "$free") are free. $to_do"
  return 1
}

# Prints the names of the images in the archive $1, each on a line; nothing if the archive does not say.
names_in() {
  tar --extract --to-stdout --file "$1" manifest.json 2>/dev/null | jq --raw-output '.[].RepoTags[]?' 2>/dev/null || true
}

# Whether the configured image is among the names $1.
is_among() {
  grep -qxF -e "$IMAGE" -e "docker.io/$IMAGE" <<<"$1"
}

# Without internet access: from an archive that `docker save` made.
load() {
  local archive names bytes content id
  rm -f "$archive_notice"
  ! is_ready || return 0
  for archive in "$archives"/*; do
    case $archive in
      *.tar) ;;
      "$accepted" | *"/*") continue ;;
      *)
        # Compressed, it would need room that its size does not tell.
        echo "$archive is not an image archive: its name does not end in .tar"
        continue
        ;;
    esac
    names=$(names_in "$archive")
    # Without this, Docker would unpack gigabytes at each start to learn the same.
    if [ -n "$names" ] && ! is_among "$names"; then
      echo "$archive does not hold $IMAGE (${names//$'\n'/, }): skipped"
      continue
    fi
    # Docker first unpacks the archive to a temporary folder, and from there the layers.
    bytes=$((2 * $(stat --format %s "$archive")))
    if ! { make_room "$bytes" "$bytes" is_among "$names" && echo "$archive is being loaded"; }; then
      echo "$archive is skipped: $problem" | tee -a "$archive_notice"
    elif ! content=$(docker load --input "$archive"); then
      echo "$archive is not an image archive that Docker can read: skipped"
    elif grep -qxF "Loaded image: $IMAGE" <<<"$content"; then
      id=$(docker image inspect --format '{{.Id}}' "$IMAGE")
      echo "$IMAGE@$DIGEST $id" >"$accepted"
      echo "$archive is used for $IMAGE. Its digest is not checked: loaded from an archive, as $id"
      rm -f "$archive_notice"
      break
    else
      echo "$archive does not hold $IMAGE (${content//$'\n'/, }): skipped"
    fi
  done
}

# Prints how many bytes are downloaded for REMOTE. Fails if its registry does not say.
bytes_to_download() {
  local manifest platform
  manifest=$(timeout 60 docker manifest inspect "$REMOTE" 2>/dev/null) || return 1
  platform=$(jq --raw-output '
    first(.manifests[]? | select(.platform.os == "linux" and .platform.architecture == "amd64") | .digest)' <<<"$manifest")
  if [ -n "$platform" ]; then
    manifest=$(timeout 60 docker manifest inspect "$(repository)@$platform" 2>/dev/null) || return 1
  fi
  jq --exit-status '[.layers[].size] | add | floor' <<<"$manifest" 2>/dev/null
}

# Downloads the image. Fails with the last line of Docker's error in $problem.
pull() {
  { problem=$(docker pull "$REMOTE" 2>&1 >&3); } 3>&1 && return
  problem=${problem##*$'\n'}
  problem=${problem//[[:cntrl:]]/}
  return 1
}

no_space() {
  case $problem in *"no space left on device"*) ;; *) return 1 ;; esac
}

# Whether the registry counts downloads, and this address has had its share.
too_many() {
  case $problem in *toomanyrequests* | *"429 Too Many"*) ;; *) return 1 ;; esac
}

# What to do about Docker's error.
advice() {
  if too_many; then
    echo "It is tried again in a quarter of an hour."
    return
  fi
  case $problem in
    *"no space left"*) echo "$to_do" ;;
    *"manifest unknown"* | *"not found"* | *denied*) echo "Correct ollamalive.ollama.image." ;;
    *lookup* | *dial* | *imeout* | *unreachable*) echo "Check the internet connection; it is tried again." ;;
    *) echo "It is tried again. See: journalctl -u docker-ollama" ;;
  esac
}

# Nothing is downloaded until more is free: each attempt would be gigabytes.
remember_room() {
  free_bytes "$storage" >"$too_little"
}

has_more_room() {
  local before
  before=$(cat "$too_little" 2>/dev/null) || return 0
  # Not just a rotated file of the journal.
  [ "$(free_bytes "$storage")" -gt $((before + 100000000)) ]
}

fail() {
  echo "Ollama cannot start yet: its image $IMAGE is not downloaded: $problem" | tee "$notice"
  # Asked more often, the registry refuses for longer.
  ! too_many || sleep 900
  exit 1
}

begin() {
  local text="Ollama starts once its image $IMAGE is downloaded."
  grep -qsxF "$text" "$notice" || echo "$text" | tee "$notice"
}

download() {
  local bytes
  if ! has_more_room; then
    cat "$notice"
    exit 1
  fi
  rm -f "$too_little"
  # Docker unpacks a layer before it removes its download, and nothing gets smaller when it is unpacked: twice the size is
  # the least. CUDA's libraries, most of the image, are about twice their compressed size: three times is probable.
  # Why the last try failed stays said until the registry answers, which may take minutes.
  [ -s "$notice" ] || begin
  if bytes=$(bytes_to_download); then
    if ! make_room $((2 * bytes)) $((3 * bytes)) true; then
      remember_room
      fail
    fi
    begin
  fi
  # If Docker ran out of space, the registry has begun to send the image, and the old ones can go.
  if ! pull && ! { no_space && remove_old && pull; }; then
    ! no_space || remember_room
    problem="${problem%.}. $(advice)"
    fail
  fi
}

fetch() {
  if ! is_ready; then
    # It is already there by its digest if the last start was interrupted after the download.
    docker image inspect "$REMOTE" >/dev/null 2>&1 || download
    [ "$REMOTE" = "$IMAGE" ] || docker tag "$REMOTE" "$IMAGE"
  fi
  rm -f "$notice" "$too_little"
}

mkdir -p "${notice%/*}"
case ${1-} in
  load | fetch) set -e; "$1" ;;
esac
