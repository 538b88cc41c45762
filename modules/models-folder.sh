# shellcheck shell=bash
# Runs before the server starts. Finds the folder that holds Ollama's `blobs` and `manifests`, and sets $models to it. The
# container sees it through a link (ollama.nix), because the folder is not known when the system is built. Set before:
#   root     where the drive is mounted
#   folder   the folder there that is configured, or nothing
: "${root:?}"
# Says that there are models in several folders.
several=/run/ollamalive/notices/folder
# Where Windows keeps models: as this appliance makes it, with OLLAMA_MODELS=D:\ollama, and with OLLAMA_MODELS=D:\.
places=(ollama/models ollama .)

# Prints the path of folder $2 in $1. Windows does not distinguish capitals, so neither is done here.
resolve() {
  local at=$1 part entry parts
  IFS=/ read -ra parts <<< "$2"
  for part in "${parts[@]}"; do
    [ "$part" != . ] || continue
    if [ ! -d "$at/$part" ]; then
      for entry in "$at"/*/; do
        entry=${entry%/}
        entry=${entry##*/}
        if [ "${entry,,}" = "${part,,}" ]; then
          part=$entry
          break
        fi
      done
    fi
    at=$at/$part
  done
  printf '%s\n' "$at"
}

is_store() {
  [ -d "$1/blobs" ] && [ -d "$1/manifests" ]
}

has_models() {
  is_store "$1" && [ -n "$(find "$1/manifests" -type f -print -quit)" ]
}

# Sets $models. A folder without a model is only taken if none has one: earlier versions have made it.
find_models() {
  local place at test others=()
  rm -f "$several"
  models=
  if [ -n "${folder:-}" ]; then
    models=$(resolve "$root" "$folder")
    return
  fi
  for test in has_models is_store; do
    for place in "${places[@]}"; do
      at=$(resolve "$root" "$place")
      "$test" "$at" || continue
      if [ -z "$models" ]; then
        models=$at
      elif [ "$test" = has_models ]; then
        others+=("$at")
      fi
    done
  done
  [ -n "$models" ] || models=$(resolve "$root" "${places[0]}")
  if [ "${#others[@]}" -gt 0 ]; then
    echo "There are models in $models and in ${others[*]}, and only the first are served. Move them into one folder in" \
      "Windows, or set ollamalive.models.folder." | tee "$several"
  fi
}

find_models
