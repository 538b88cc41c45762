# shellcheck shell=bash
# Judges a new version, and names those that were undone (trial.nix). trial.nix sets, in front of this text:
#   own     the causes that are the system's own doing, as a list in JSON
#   port    SSH's port
#   key     the public host key
#   bless   systemd-bless-boot
#   variable  a file that is there while the boot entry counts
: "${own:?}" "${port:?}" "${key:?}" "${bless:?}" "${variable:?}"

run=/run/ollamalive
boot=$run/boot
undone=/persist/update-undone
# Seconds that a version has to prove itself, and those that SSH may take of them.
patience=900 ssh_patience=240

runs() {
  sed -n 's/^IMAGE_VERSION="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release
}

# The version on trial, by the boot entry that counts: a path in UTF-16, such as \EFI\Linux\ollamalive_20260101000000+2-1.efi.
tried() {
  tr -d '\0' < "$variable" | sed -n 's/.*ollamalive_\([0-9]\{14\}\).*/\1/p' | grep . || runs
}

# Mounts the ESP, which nothing else may mount meanwhile (esp.sh).
mount_boot() {
  mkdir -p "$boot"
  exec 9> "$run/esp.lock"
  flock --timeout 120 9
  mount -t vfat -o "$1",nosuid,nodev,noexec,umask=077,utf8 /dev/ollamalive/ESP "$boot"
  trap 'umount "$boot"' EXIT
}

# Prints what is wrong with this machine, from facts alone: the keys that SSH shows and that PERSIST has, where PERSIST is and was
# ("stick" or "memory"), and the state of Ollama as JSON. Nothing if it is well; "wait" in front of what may still come.
verdict() {
  local shown=$1 expected=$2 is=$3 was=$4 state=$5 found
  if [ -z "$shown" ]; then
    echo "wait: SSH does not answer"
  elif [ "$shown" != "$expected" ]; then
    echo "SSH shows another host key"
  elif [ "$was" = stick ] && [ "$is" != stick ]; then
    echo "PERSIST is not in use, and it was before"
  else
    found=$(jq --raw-output --argjson own "$own" '
      if .state == "starting" then "wait: Ollama does not answer"
      elif .state != "not serving" then empty
      else [.causes[] | select(.id as $id | $own | index($id))] | if length > 0 then "wait: \(.[0].says)" else empty end end' <<< "$state") \
      || found="wait: the state of Ollama is not known"
    echo "$found"
  fi
}

# ollamalive-trial.service. Fails if this version is not well; then the PC restarts.
judge() {
  local start=$SECONDS version was problem limit
  version=$(tried)
  : > "$run/trial"
  mount_boot ro
  was=$(cat "$boot/loader/ollamalive-persist" 2>/dev/null) || was=memory
  umount "$boot"
  trap - EXIT
  exec 9>&-
  while true; do
    problem=$(verdict \
      "$(timeout 20 ssh-keyscan -T 10 -p "$port" -t ed25519 127.0.0.1 2>/dev/null | sed -n 's/^[^# ]* //p')" \
      "$(cut -d ' ' -f 1,2 "$key" 2>/dev/null)" \
      "$(if [ "$(findmnt --noheadings --output FSTYPE --mountpoint /persist)" = ext4 ]; then echo stick; else echo memory; fi)" \
      "$was" \
      "$(cat "$run/status.json" 2>/dev/null)")
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
  echo "Version $version is undone: $problem"
  mkdir -p "$undone"
  echo "${problem%.}" > "$undone/$version"
  journalctl --flush --sync 2>/dev/null || true
  sync
  return 1
}

# In place of systemd-bless-boot's own call.
bless_boot() {
  mount_boot rw
  "$bless" --path="$boot" good
  rm -f "$run/trial" "$undone/$(tried)"
}

# The versions, newer than this one, that have no tries left.
without_tries() {
  find "$boot/EFI/Linux" -name '*.efi' -printf '%f\n' | sed -n 's/^ollamalive_\([0-9]\{14\}\)+0\(-[0-9]*\)\{0,1\}\.efi$/\1/p' | sort -r
}

# ollamalive-slots.service
name_undone() {
  local version why notice=$run/notices/update
  mkdir -p "$run/undone" "${notice%/*}"
  [ ! -e "$variable" ] || : > "$run/trial"
  mount_boot ro
  for version in $(without_tries); do
    [ "$version" != "$(runs)" ] || continue
    why=$(cat "$undone/$version" 2>/dev/null) || why="it did not start"
    echo "$why" > "$run/undone/$version"
    echo "The update to version $version was undone: $why. The next version will be taken." >> "$notice.new"
  done
  if [ -e "$notice.new" ]; then mv "$notice.new" "$notice"; fi
}
