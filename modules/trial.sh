# shellcheck shell=bash
# Judges a new version, and names those that were undone. trial.nix sets, in front of this text and of versions.sh:
#   causes    the causes that are the system's own doing
#   port      SSH's port
#   key       the public host key
#   bless     systemd-bless-boot
#   variable  a file that is there while the boot entry counts
# The units run with `set -e`, and one that fails while it judges restarts the PC.
: "${causes:?}" "${port:?}" "${key:?}" "${bless:?}" "${variable:?}"
: "${run:?}" "${boot:?}" "${undone:?}"

# Seconds that a version has to prove itself, and those that SSH may take of them.
patience=900 ssh_patience=240
# Seconds after which a network or a drive that is missing will not come by itself.
settled=120

# The version on trial, by the boot entry that counts: a path in UTF-16, such as \EFI\Linux\ollamalive_20260101000000+2-1.efi.
tried() {
  { tr -d '\0' < "$variable"; } 2>/dev/null | sed -n 's/.*ollamalive_\([0-9]\{14\}\).*/\1/p' | grep . || runs
}

# Mounts the ESP with the option $1 (versions.sh) until this shell or subshell ends.
open_boot() {
  mount_boot "$1" || return
  trap 'umount "$boot"' EXIT
}

# Prints what is wrong with this machine, from facts alone: the keys that SSH shows and that PERSIST has, where PERSIST is and was
# ("stick" or "memory"), the state of Ollama as JSON, and how many seconds the trial takes so far. Nothing if it is well; "wait"
# in front of what may still pass.
verdict() {
  local shown=$1 own=$2 is=$3 was=$4 state=$5 seconds=$6 found
  if [ -z "$shown" ]; then
    echo "wait: SSH does not answer"
  elif [ "$shown" != "$own" ]; then
    echo "SSH shows another host key"
  elif [ "$was" = stick ] && [ "$is" != stick ]; then
    echo "PERSIST is not in use, and it was before"
  else
    # What to do about a cause is said while it lasts, so only the first sentence counts here.
    found=$(jq --raw-output --slurp --argjson waited "$((seconds >= settled))" --arg own "$causes" '
      .[0] as { $state, $causes }
      | ([$causes[]? | select(.id as $id | $own | split(" ") | index($id))][0]) as $cause
      | if $state == "serving" or $state == "degraded" then "well"
        elif $state == "starting" and any($causes[]?; .id == "image-downloading") then "well"
        elif $state == "starting" then "wait: Ollama does not answer"
        elif $state != "not serving" then "wait: the state of Ollama is not known"
        elif $cause != null then "wait: \($cause.says | split(". ")[0])"
        elif $waited == 0 then "wait: Ollama does not serve"
        else "well" end' <<< "$state" 2>/dev/null) || found=''
    [ "$found" = well ] || echo "${found:-wait: the state of Ollama is not known}"
  fi
}

# Where PERSIST was when this version was installed (update.sh).
persist_before() {
  # In a shell of its own, so that the ESP is free again.
  (open_boot ro && cat "$boot/loader/ollamalive-persist") 2>/dev/null || echo memory
}

# ollamalive-trial.service. Fails if this version is not well; then the PC restarts.
judge() {
  local start=$SECONDS version was problem limit
  version=$(tried)
  mkdir -p "$run"
  : > "$run/trial"
  was=$(persist_before)
  while true; do
    problem=$(verdict \
      "$(timeout 20 ssh-keyscan -T 10 -p "$port" -t ed25519 127.0.0.1 2>/dev/null | sed -n 's/^[^# ]* //p')" \
      "$(cut -d ' ' -f 1,2 "$key" 2>/dev/null)" \
      "$(if [ "$(findmnt --noheadings --output FSTYPE --mountpoint /persist)" = ext4 ]; then echo stick; else echo memory; fi)" \
      "$was" \
      "$(cat "$run/status.json" 2>/dev/null)" \
      "$((SECONDS - start))")
    if [ -z "$problem" ]; then
      echo "Version $version is well."
      return 0
    fi
    case $problem in wait:*) ;; *) break ;; esac
    limit=$patience
    case $problem in *" SSH "*) limit=$ssh_patience ;; esac
    [ $((SECONDS - start)) -lt "$limit" ] || break
    sleep 5
  done
  problem=${problem#wait: }
  problem=${problem%.}
  echo "Version $version is undone: $problem."
  mkdir -p "$undone" && echo "$problem" > "$undone/$version"
  journalctl --flush --sync 2>/dev/null || true
  sync
  return 1
}

# In place of systemd-bless-boot's own call. It is no unit's script, so it goes on after what fails.
bless_boot() {
  open_boot rw && "$bless" --path="$boot" good || return
  rm -f "$run/trial" "$undone/$(tried)"
}

# Of the names of UKIs that are read, the versions newer than $1 that have no tries left.
without_tries() {
  local version
  sed -n 's/^ollamalive_\([0-9]\{14\}\)+0\(-[0-9]\{1,\}\)\{0,1\}\.efi$/\1/p' | sort -r | while read -r version; do
    if [ "$version" -gt "$1" ]; then echo "$version"; fi
  done
}

# ollamalive-slots.service
name_undone() {
  local version why notice=$run/notices/update
  mkdir -p "$run/undone" "${notice%/*}"
  [ ! -e "$variable" ] || : > "$run/trial"
  open_boot ro
  for version in $(find "$boot/EFI/Linux" -name '*.efi' -printf '%f\n' | without_tries "$(runs)"); do
    why=$(head -n 1 "$undone/$version" 2>/dev/null) || why=''
    [ -n "$why" ] || why="it did not start"
    echo "$why" > "$run/undone/$version"
    echo "The update to version $version was undone: $why. The next version will be taken." >> "$notice.new"
  done
  if [ -e "$notice.new" ]; then mv "$notice.new" "$notice"; fi
}
