# shellcheck shell=bash
# Finds out whether Ollama serves, and says it everywhere (health.nix). health.nix sets, in front of this text:
#   settings     a file with causes.nix, and what is configured
#   decision     health.jq
#   port         the port where Ollama answers
#   command      what prints the state
: "${settings:?}" "${decision:?}" "${port:?}" "${command:?}"

folder=/run/ollamalive
notices=$folder/notices
# Both have the time at which the last look began. The second one gets it once the result is written.
stamp=$folder/health/looked
result=$folder/health/written
# Since when Ollama does not answer, in seconds from the boot.
silent=$folder/health/silent
container=ollama
unit=docker-ollama.service
# Seconds between two looks: while Ollama serves, and while it does not. A new notice is seen at once.
calm=60 worried=10
# Seconds that one of the tools below may take.
patience=10

# Prints the state as JSON. Looks at nothing but the facts in the folder $1, so that tests run it over recorded ones.
decide() {
  local fact facts=()
  for fact in "$1"/*; do
    facts+=(--rawfile "${fact##*/}" "$fact")
  done
  jq --compact-output "${facts[@]}" --from-file "$decision" "$settings"
}

# On the machine.

# Runs a command for at most that long. What it cannot say is an empty fact.
within() {
  timeout --kill-after=1 "$patience" "$@" 2>/dev/null || true
}

# Opens the GPU as the container may: systemd has taken it from containers before.
open_gpu() {
  local pid=$1 opened
  opened=$(
    # shellcheck disable=SC2016 # That shell expands it.
    within sh -c '
      echo $$ > "/sys/fs/cgroup$(sed -n s/^0:://p "/proc/$0/cgroup")/cgroup.procs"
      for device in "/proc/$0/root/dev/nvidiactl" "/proc/$0/root/dev/nvidia0"; do
        [ ! -e "$device" ] || exec 2>&1
        [ ! -e "$device" ] || : < "$device"
      done' "$pid"
  )
  if [ -z "$(compgen -G "/proc/$pid/root/dev/nvidia[0-9]*")" ]; then
    opened="No such file"
  fi
  echo "opened=${opened//$'\n'/ }"
}

# The Wi-Fi networks that the owner has configured, and the cards for them.
configured_wifi() {
  local file
  for file in /etc/NetworkManager/system-connections/*; do
    if grep -qsE '^type *= *(wifi|802-11-wireless) *$' "$file"; then
      sed -n 's/^ssid *= */ssid=/p' "$file"
    fi
  done
  for file in /sys/class/net/*/phy80211; do
    if [ -e "$file" ]; then
      file=${file%/*}
      echo "card=${file##*/}"
    fi
  done
}

# Writes the facts of this machine to files in the folder $1.
gather() {
  local notice line pid
  mkdir -p "$1"
  within curl --silent --noproxy '*' --max-time 5 --max-filesize 4096 "http://127.0.0.1:$port/api/version" > "$1/answer"
  read -r line _ < /proc/uptime
  if grep -qs version "$1/answer"; then rm -f "$silent"; elif [ ! -e "$silent" ]; then echo "${line%.*}" > "$silent"; fi
  within systemctl show "$unit" --property=ActiveState,SubState,NRestarts,ExecMainStatus,ConditionTimestampMonotonic,InvocationID,Job > "$1/unit"
  within systemctl show docker.service --property=ActiveState > "$1/docker"
  within ip -json address > "$1/addresses"
  configured_wifi > "$1/wifi"
  within lsblk --json --list --output PATH,FSTYPE,LABEL,UUID > "$1/disks"
  within journalctl -b -u mnt-models.mount --no-pager -o cat -n 20 > "$1/mount"
  within df --block-size=1MB --output=avail,size /persist > "$1/space"
  cat /run/systemd/resolve/resolv.conf > "$1/names" 2>/dev/null
  cat /proc/self/mounts > "$1/mounts"
  {
    read -r line _ < /proc/uptime
    echo "uptime=${line%.*}"
    [ ! -e "$silent" ] || echo "silent=$((${line%.*} - $(< "$silent")))"
    date +time=%s
    echo "rtc=$(cat /sys/class/rtc/rtc0/since_epoch 2>/dev/null)"
  } > "$1/clock"
  for notice in "$notices"/*; do
    [ -r "$notice" ] || continue
    while IFS= read -r line; do
      printf '%s\t%s\n' "${notice##*/}" "$line"
    done < "$notice"
  done > "$1/notices"

  : > "$1/gpu"
  : > "$1/models"
  if grep -qs version "$1/answer"; then
    rm -f "$1/journal" "$1/invocation" "$1/listeners" "$1/container"
    within df --block-size=1M --output=avail "$folder/models/" > "$1/models"
    if grep -qsx yes "$folder/gpu"; then
      pid=$(within docker inspect --format '{{.State.Pid}}' "$container")
      [ "${pid:-0}" = 0 ] || open_gpu "$pid" > "$1/gpu"
    fi
  else
    within docker inspect --format '{{.State.Status}}' "$container" > "$1/container"
    within ss --no-header --listening --tcp --numeric --processes "sport = :$port" > "$1/listeners"
    within journalctl -b -u "$unit" --no-pager -o cat -n 200 > "$1/journal"
    line=$(sed -n 's/^InvocationID=//p' "$1/unit")
    within journalctl -b "_SYSTEMD_INVOCATION_ID=${line:-none}" --no-pager -o cat -n 200 > "$1/invocation"
  fi
}

# What the journal gets once: the state, and the names of the causes.
names_in() {
  jq --raw-output '[.state, .causes[].id] | join(" ")' <<< "$1"
}

# One look. Writes the state if it is another one: as JSON, and as text for those who cannot run the command.
look() {
  local state before=
  gather "$folder/health/facts"
  state=$(decide "$folder/health/facts")
  [ -n "$state" ] || return 1
  [ ! -e "$folder/status.json" ] || before=$(< "$folder/status.json")
  [ "$state" != "$before" ] || return 0
  printf '%s\n' "$state" > "$folder/status.new"
  chmod 644 "$folder/status.new"
  mv "$folder/status.new" "$folder/status.json"
  "$command" status > "$folder/status.txt"
  systemd-notify --status="$(tr '\n' ' ' < "$folder/status.txt")"
  if [ -z "$before" ] || [ "$(names_in "$state")" != "$(names_in "$before")" ]; then
    cat "$folder/status.txt"
  fi
}

# Whether a notice was written or removed since the last look.
noticed() {
  local notice
  for notice in "$notices" "$notices"/*; do
    [ ! "$notice" -nt "$stamp" ] || return 0
  done
  return 1
}

# ollamalive-health.service
watch() {
  local pause second
  trap 'exit 0' TERM
  mkdir -p "$notices" "$folder/health"
  # Reading from it waits, and starts no process.
  exec {silence}<> <(:)
  systemd-notify --ready
  while true; do
    : > "$stamp"
    look || echo "The state of Ollama could not be found out; it is tried again."
    touch -r "$stamp" "$result"
    pause=$worried
    if grep -qsE '^\{"state":"(serving|degraded)"' "$folder/status.json"; then pause=$calm; fi
    for ((second = 0; second < pause; second++)); do
      read -r -t 1 -u "$silence" _ || true
      if [ "$second" -ge 1 ] && noticed; then break; fi
    done
  done
}

case ${1-} in
  watch) watch ;;
esac
