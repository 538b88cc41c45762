# shellcheck shell=bash
# Writes ollamalive/REPORT.txt on the stick's FAT partition, for the computer that the stick is put back into (esp.nix). The
# functions up to "On the machine" look at nothing but what they are given, so that tests run them.

: "${run:?}"
# Things of one kind that are named.
most=200

# The lines of $run/files whose verdict is one of $2, under the title $1.
section() {
  local verdict name words count=0 wanted=" $2 "
  while IFS=$'\t' read -r verdict name words; do
    case $wanted in *" $verdict "*) ;; *) continue ;; esac
    [ "$count" -gt 0 ] || printf '\n%s\n' "$1"
    count=$((count + 1))
    [ "$count" -gt "$most" ] || printf '  %s: %s\n' "$name" "$words"
  done < "$run/files"
  [ "$count" -le "$most" ] || printf '  and %s more\n' "$((count - most))"
}

# What `ollamalive status` prints, without the notices of this report. What a download has reached is left out as well: the
# report would be written again each time.
state() {
  local text own
  text=$(cat "$run/status.txt" 2>/dev/null) || text="Ollama is starting."
  own=$(cat "$run/notices/files" "$run/notices/report" 2>/dev/null) || true
  grep -vxF -f <(sed -n 's/^./- &/p' <<< "$own") <<< "$text" | sed 's/: [0-9]* %\.$/./'
}

# The report: name, addresses, SSH's port and fingerprint, the state.
report() {
  echo "OllamaLive wrote this file. It says what the PC made of the files on this stick. The PC does not read it."
  echo
  echo "Name     $1"
  echo "Address  ${2:-none (no cable, no Wi-Fi, or no answer from the router)}"
  echo "SSH      port $3, ${4:-no key yet}"
  echo "State    ${5//$'\n'/$'\n'         }"
  section "Not taken, or not used:" "refused unread"
  section "Taken, but read this:" warned
  section "Taken:" taken
  section "Taken once, and removed on the machine since (change the file to have it taken again):" removed
  section "Not for this machine:" unused
  section "Left by other systems:" ignored
}

# Puts text $1 into folder $2 as REPORT.txt. A power cut leaves the old one or the new one.
save() {
  {
    rm -rf "$2/REPORT.new" && cp "$1" "$2/REPORT.new" && sync "$2/REPORT.new" && mv -fT "$2/REPORT.new" "$2/REPORT.txt"
  } 2>/dev/null && return 0
  rm -rf "$2/REPORT.new" 2>/dev/null
  return 1
}

# On the machine.

# The machine's lasting addresses, without those of containers.
addresses() {
  local card address rest
  while read -r _ card _ address rest; do
    case $card in docker* | br-* | veth*) continue ;; esac
    case $rest in *temporary* | *deprecated*) continue ;; esac
    echo "${address%/*}"
  done < <(ip -o address show up scope global)
}

await_address() {
  local deadline=$((SECONDS + 60)) found
  until found=$(addresses) && [ -n "$found" ] || [ "$SECONDS" -ge "$deadline" ]; do
    sleep 2
  done
}

current_report() {
  report "$HOSTNAME" "$(addresses | paste -sd , - | sed 's/,/, /g')" "$SSH_PORT" \
    "$(ssh-keygen -l -f /persist/ssh/ssh_host_ed25519_key.pub 2>/dev/null || true)" "$(state)"
}

# Two sticks with one image: it is unclear whose partition this is.
is_ours() {
  local id
  id=$(lsblk --nodeps --noheadings --output PARTUUID /dev/ollamalive/ESP) || return 1
  [ "$(lsblk --noheadings --raw --output PARTUUID | grep -cixF -e "$id")" -eq 1 ]
}

# Why the report in file $1 is not on the stick, as a sentence; nothing if it is.
put_on_stick() {
  local esp=$run/esp-report why=
  if ! is_ours; then
    echo "two sticks with the same image are plugged in"
    return
  fi
  mkdir -p "$esp"
  if ! mount -t vfat -o ro,nosuid,nodev,noexec,umask=077,utf8 /dev/ollamalive/ESP "$esp" 2>/dev/null; then
    echo "the stick's first partition (ESP) cannot be read"
    return
  fi
  if [ ! -d "$esp/ollamalive" ]; then
    why="its folder ollamalive is gone"
  elif ! cmp -s "$1" "$esp/ollamalive/REPORT.txt"; then
    if ! mount -o remount,rw "$esp" 2>/dev/null; then
      why="the stick is write-protected"
    elif ! save "$1" "$esp/ollamalive"; then
      why="the stick's first partition (ESP) is full or damaged"
    fi
  fi
  umount "$esp" || true
  echo "$why"
}

# esp-report.service.
main() {
  local new=$run/report.new old=$run/report notice=$run/notices/report why
  mkdir -p "$run/notices"
  await_address
  # The import holds the lock until its list of files is complete.
  exec 9> "$run/esp.lock"
  flock --timeout 120 9
  [ -e "$run/files" ] || : > "$run/files"
  # Windows reads it as well.
  current_report | sed 's/$/\r/' > "$new"
  if cmp -s "$new" "$old"; then
    return 0
  fi
  why=$(put_on_stick "$new")
  if [ -z "$why" ]; then
    mv "$new" "$old"
    rm -f "$notice"
  else
    echo "The report on the stick, ollamalive/REPORT.txt, is not up to date: $why." | tee "$notice"
  fi
}
