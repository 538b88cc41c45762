# shellcheck shell=bash
# Runs as ollama-pull.service (ollama-pull.nix), which calls main. Downloads models through Ollama's own API, and loads one.
# The unit's environment says:
#   SERVER       where Ollama answers, such as http://127.0.0.1:11434
#   FOLDER       the folder that the container sees as /root/.ollama/models
#   PULL         the models to download, separated by spaces
#   KEEP_LOADED  the model to load, or nothing
#   NOTICE       the file that the login banner shows
# Ollama does not check the free space before a download, so this script does.

# Bytes that downloads leave free on the drive.
reserve=$((1 << 30))
# Why the last step failed, and what to do.
problem=
# The problems of this attempt.
problems=()

# Shows the problems at login. $1, if given, is the progress, and comes first.
show() {
  if [ $# -eq 0 ] && [ "${#problems[@]}" -eq 0 ]; then
    rm -f "$NOTICE"
  else
    mkdir -p "${NOTICE%/*}"
    printf '%s\n' "$@" "${problems[@]}" > "$NOTICE"
  fi
}

# Asks Ollama: path, body, seconds. Prints the answer; fails without one, and with a status of 400 or more.
post() {
  curl --silent --fail-with-body --noproxy '*' --max-time "$3" --data "$2" "$SERVER$1"
}

# A request about the model $1 with the fields $2, in JSON.
request() {
  jq --null-input --compact-output --arg model "$1" --argjson fields "$2" '{ model: $model } + $fields'
}

# The text of an error in Ollama's answer $1, on one line.
error_in() {
  printf '%s\n' "$1" | jq --raw-output '.error | strings | gsub("[[:cntrl:]]+"; " ")' 2>/dev/null || true
}

wait_for_server() {
  local deadline=$((SECONDS + $1))
  until curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "$SERVER/api/version"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 1
  done
}

# Whether Ollama has the model $1: 0 if it has, 1 if it has not or finds it damaged, 2 without an answer.
is_there() {
  local status=0
  post /api/show "$(request "$1" '{}')" 60 > /dev/null || status=$?
  case $status in
    0) return 0 ;;
    22) return 1 ;; # curl's for a status of 400 or more
    *) return 2 ;;
  esac
}

# The address of the manifest of the model $1, as Ollama reads names: [[SCHEME://]HOST/][NAMESPACE/]MODEL[:TAG].
manifest_url() {
  local name=$1 scheme=https host=registry.ollama.ai tag=latest
  case $name in *://*) scheme=${name%%://*} name=${name#*://} ;; esac
  case ${name##*/} in *:*) tag=${name##*:} name=${name%:*} ;; esac
  case $name in
    */*/*) host=${name%%/*} name=${name#*/} ;;
    */*) ;;
    *) name=library/$name ;;
  esac
  echo "$scheme://$host/v2/$name/manifests/$tag"
}

# Prints how many bytes of the model $1 are still to be downloaded. Fails if its registry does not say.
bytes_to_download() {
  local files digest bytes file total=0
  files=$(
    curl --silent --fail --location --proto '=http,https' --max-time 30 --max-filesize 4194304 \
      --header 'Accept: application/vnd.docker.distribution.manifest.v2+json' "$(manifest_url "$1")" |
      jq --raw-output '
        [.layers[], (.config // empty)] | unique_by(.digest)[]
        | if (.digest | test("^sha256:[0-9a-f]{64}$")) and (.size | . >= 0 and . < 1e15)
          then "\(.digest[7:]) \(.size | floor)" else error end' 2>/dev/null
  ) || return 1
  [ -n "$files" ] || return 1
  while read -r digest bytes; do
    file=$FOLDER/blobs/sha256-$digest
    if [ -e "$file" ]; then
      bytes=0
    elif [ -e "$file-partial" ]; then
      # Ollama creates it sparse, in its final size: only the blocks in use are downloaded.
      bytes=$((bytes - $(stat --format '%b * %B' "$file-partial")))
    fi
    total=$((total + (bytes > 0 ? bytes : 0)))
  done <<< "$files"
  echo "$total"
}

# Fails if the model $1 cannot fit. If its size is unknown, the download is tried.
has_room() {
  local needed free
  needed=$(bytes_to_download "$1") || return 0
  free=$(free_bytes "$FOLDER") || return 0
  [ "$needed" -gt 0 ] && [ "$needed" -gt $((free - reserve)) ] || return 0
  problem="$1 is not downloaded: it needs $(size "$needed"), $(size "$free") are free where the models are, and \
$(size "$reserve") have to stay free. Delete models that you no longer need (docker exec ollama ollama rm NAME), or take \
it off ollamalive.ollama.pull."
  return 1
}

# Reads the lines of a download; prints "percent N" for progress, "error TEXT" or "success".
progress() {
  jq --null-input --raw-output --unbuffered '
    foreach inputs as $line ({};
      if $line.digest then .[$line.digest] = [$line.completed // 0, $line.total // 0] else . end;
      if $line.error then "error \($line.error | tostring | gsub("[[:cntrl:]]+"; " "))"
      elif $line.status == "success" then "success"
      elif $line.total then "percent \(100 * ([.[][0]] | add) / ([.[][1]] | add | [., 1] | max) | floor)"
      else empty end)' 2>/dev/null
}

# What to do about Ollama's error $1.
advice() {
  case $1 in
    *"file does not exist"*) echo "Look its name up at ollama.com, and correct ollamalive.ollama.pull." ;;
    # Hugging Face says so of names that it does not know.
    *unauthorized* | *"access denied"* | *"realm host"* | *" 401: "* | *" 403: "*)
      echo "The model is not there, or needs an account: correct ollamalive.ollama.pull."
      ;;
    *"no space left"*) echo "Delete models that you no longer need: docker exec ollama ollama rm NAME." ;;
    *"newer version"*) echo "Update OllamaLive, or write a newer ollamalive.ollama.image." ;;
    *lookup* | *dial* | *timeout* | *unreachable*) echo "Check the internet connection; it is tried again." ;;
    *) echo "It is tried again. See: journalctl -u docker-ollama" ;;
  esac
}

# Downloads the model $1 from its registry. Ollama resumes a download that was interrupted.
download() {
  local kind text shown='' error="Ollama stopped answering" insecure=false
  case $1 in http://*) insecure=true ;; esac
  show "$1 is being downloaded."
  while read -r kind text; do
    case $kind in
      percent)
        [ "$text" = "$shown" ] || show "$1 is being downloaded: $text %."
        shown=$text
        ;;
      error) error=$text ;;
      success) error= ;;
    esac
  done < <(
    # Ollama is silent for minutes while it checks a large file.
    curl --silent --no-buffer --noproxy '*' --speed-limit 1 --speed-time 1800 \
      --data "$(request "$1" "{ \"insecure\": $insecure }")" "$SERVER/api/pull" | progress
  )
  [ -n "$error" ] || return 0
  problem="$1 is not downloaded: $error. $(advice "$error")"
  return 1
}

provide() {
  local found=0
  is_there "$1" || found=$?
  case $found in
    0) return 0 ;;
    2)
      problem="$1 is not downloaded: Ollama does not answer. It is tried again. See: journalctl -u docker-ollama"
      return 1
      ;;
  esac
  has_room "$1" || return 1
  echo "$1 is being downloaded"
  download "$1" || return 1
  # Ollama does not look into files that it has already.
  found=0
  is_there "$1" || found=$?
  if [ "$found" -eq 1 ]; then
    problem="$1 is damaged, and Ollama does not replace files that it has. Remove it, and it is downloaded again: \
docker exec ollama ollama rm $1"
    return 1
  fi
  echo "$1 is downloaded"
}

# Loads the model $1 and keeps it loaded until a request says otherwise. A model for embeddings cannot generate.
load() {
  local answer path error
  for path in generate embed; do
    # Ollama ends a load that makes no progress, and one whose client has gone away.
    if answer=$(post "/api/$path" "$(request "$1" '{ "keep_alive": -1, "stream": false }')" 7200); then
      echo "$1 is loaded"
      return 0
    fi
    case $answer in *"does not support generate"*) continue ;; esac
    break
  done
  error=$(error_in "$answer")
  problem="$1 is not loaded: ${error:-Ollama does not answer}."
  case $error in
    *"not found"*) problem+=" List it in ollamalive.ollama.pull, or correct ollamalive.ollama.keepLoaded." ;;
    *) problem+=" It is tried again. See: journalctl -u docker-ollama" ;;
  esac
  return 1
}

# Fails if there is something left to do.
attempt() {
  local model
  problems=()
  if ! wait_for_server 600; then
    problems=("No model is downloaded: Ollama does not answer. See: journalctl -u docker-ollama")
  else
    for model in $PULL; do
      provide "$model" || problems+=("$problem")
    done
    if [ -n "$KEEP_LOADED" ]; then
      load "$KEEP_LOADED" || problems+=("$problem")
    fi
  fi
  show
  [ "${#problems[@]}" -gt 0 ] || return 0
  printf '%s\n' "${problems[@]}"
  return 1
}

main() {
  local pause=10
  trap 'rm -f "$NOTICE"; exit 0' TERM
  until attempt; do
    sleep "$pause"
    pause=$((pause < 300 ? pause * 2 : 600))
  done
}
