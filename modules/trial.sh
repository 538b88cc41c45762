# shellcheck shell=bash
# Judges the version on trial, and reports versions that were undone. trial.nix puts versions.sh in front of it, and sets:
#   causes    the IDs of causes that are the system's own fault (causes.nix)
#   port      the SSH port
#   key       the path of the public host key
#   bless     the path of systemd-bless-boot
#   variable  the file of the UEFI variable that exists while the boot entry counts its tries
# The units run with `set -e`; if ollamalive-trial.service fails, the PC restarts.
: "${causes:?}" "${port:?}" "${key:?}" "${bless:?}" "${variable:?}"
: "${run:?}" "${boot:?}" "${undone:?}"

# Seconds that each try may take, and seconds after which SSH has to answer.
patience=900 ssh_patience=240
# Seconds after which a missing network or drive is no longer waited for.
settled=120

# Prints the version on trial. The variable has the path of its boot entry in UTF-16, such as
# \EFI\Linux\ollamalive_20260101000000+2-1.efi.
tried() {
  { tr -d '\0' < "$variable"; } 2>/dev/null | sed -n 's/.*ollamalive_\([0-9]\{14\}\).*/\1/p' | grep . || runs
}

# Mounts the ESP with the option $1 (see mount_boot) until this shell or subshell exits.
open_boot() {
  local problem=0
  mount_boot "$1" || problem=$?
  case $problem in
    0) ;;
    1) echo "The stick's first partition (ESP) is in use." >&2 ;;
    *) echo "The stick's first partition (ESP) cannot be mounted." >&2 ;;
  esac
  [ "$problem" = 0 ] || return
  trap 'umount "$boot" || true' EXIT
}

# Prints what is wrong with the version, from facts alone: the host key that SSH presents, the machine's own host key, where
# PERSIST is and was ("stick" or "memory"), the text of status.json, and the seconds since the trial began. Prints nothing if the
# version is healthy, and "wait: " in front of a problem that may still pass.
verdict() {
  local shown=$1 own=$2 is=$3 was=$4 state=$5 seconds=$6 found
  if [ -z "$shown" ]; then
    echo "wait: SSH does not answer"
  elif [ "$shown" != "$own" ]; then
    echo "SSH shows another host key"
  elif [ -z "$was" ]; then
    echo "wait: the stick's first partition (ESP) cannot be read"
  elif [ "$was" = stick ] && [ "$is" != stick ]; then
    echo "PERSIST is no longer in use"
  else
    # Only the first sentence of a cause: the others say what to do while it lasts.
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

# Prints where PERSIST was when this version was installed: "stick" or "memory" (update.sh).
persist_before() {
  # In a subshell, whose end unmounts the ESP.
  (open_boot ro && { cat "$boot/loader/ollamalive-persist" 2>/dev/null || echo memory; })
}

# Script of ollamalive-trial.service: waits until the version is healthy, and fails if it does not become so.
judge() {
  local start=$SECONDS version was problem limit
  version=$(tried)
  mkdir -p "$run"
  : > "$run/trial"
  was=''
  while true; do
    [ -n "$was" ] || was=$(persist_before) || true
    problem=$(verdict \
      "$(timeout 20 ssh-keyscan -T 10 -p "$port" -t ed25519 127.0.0.1 2>/dev/null | sed -n 's/^[^# ]* //p')" \
      "$(cut -d ' ' -f 1,2 "$key" 2>/dev/null)" \
      "$(if [ "$(findmnt --noheadings --output FSTYPE --mountpoint /persist)" = ext4 ]; then echo stick; else echo memory; fi)" \
      "$was" \
      "$(cat "$run/status.json" 2>/dev/null)" \
      "$((SECONDS - start))")
    if [ -z "$problem" ]; then
      echo "Version $version is healthy."
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
  echo "Version $version is not healthy: $problem."
  mkdir -p "$undone" && echo "$problem" > "$undone/$version"
  journalctl --flush --sync 2>/dev/null || true
  sync
  return 1
}

# ExecStart of systemd-bless-boot.service: runs without `set -e`, so each failure is handled here.
bless_boot() {
  open_boot rw && "$bless" --path="$boot" good || return
  rm -f "$run/trial" "$undone/$(tried)"
}

# Reads names of UKIs, and prints the versions newer than $1 that have no tries left, the newest first.
without_tries() {
  local version
  sed -n 's/^ollamalive_\([0-9]\{14\}\)+0\(-[0-9]\{1,\}\)\{0,1\}\.efi$/\1/p' | sort -r | while read -r version; do
    if [ "$version" -gt "$1" ]; then echo "$version"; fi
  done
}

# Script of ollamalive-slots.service: writes down which versions were undone, and why. Marks a trial for update.sh.
name_undone() {
  local version why notice=$run/notices/update
  mkdir -p "$run/undone" "${notice%/*}"
  [ ! -e "$variable" ] || : > "$run/trial"
  open_boot ro
  for version in $(find "$boot/EFI/Linux" -name '*.efi' -printf '%f\n' | without_tries "$(runs)"); do
    why=$(head -n 1 "$undone/$version" 2>/dev/null) || why=''
    [ -n "$why" ] || why="it did not start"
    echo "$why" > "$run/undone/$version"
    echo "The update to version $version was undone: $why. Newer versions are still accepted." >> "$notice.new"
  done
  if [ -e "$notice.new" ]; then mv "$notice.new" "$notice"; fi
}
