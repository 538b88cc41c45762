# shellcheck shell=bash
# The command `ollamalive update`. update.nix puts versions.sh in front of it, and sets:
#   sysupdate  the path of systemd-sysupdate
#   decision   the path of update.jq
#   url        the URL of the newest release's folder, or empty
#   key        the path of the public key that releases are signed with, or empty
#   pushed     the folder for pushed files
#   port       Ollama's port
: "${sysupdate:?}" "${decision:?}" "${url?}" "${key?}" "${pushed:?}" "${port:?}"
: "${run:?}" "${boot:?}" "${undone:?}"

usage="usage: ollamalive update [--check | --state] [--yes] [--force] [--restart]"

refuse() {
  echo "$1" >&2
  exit 1
}

# Prints the reasons not to install or restart now, a line each.
busy() {
  local name
  while read -r name; do
    echo "The model $name is loaded."
  done < <(curl --silent --noproxy '*' --max-time 5 "http://127.0.0.1:$port/api/ps" | jq --raw-output '.models[]?.name' 2>/dev/null)
  if [ -n "$(find "$run/models/" -path '*/blobs/*-partial*' -mmin -2 -print -quit 2>/dev/null)" ]; then
    echo "A model is being downloaded."
  fi
  ! grep -qs "is downloaded\.$" "$run/notices/image" || echo "Ollama's image is being downloaded."
}

# Refuses to run beside another installation: both would write to the same slot and folder.
alone() {
  mkdir -p "$run"
  exec 8> "$run/update.lock"
  flock --nonblock 8 || refuse "Another update is being installed. Try again when it is done."
}

# Mounts the ESP with the option $1 (see mount_boot) until this script exits, or refuses.
open_boot() {
  local problem=0
  mount_boot "$1" 2>/dev/null || problem=$?
  case $problem in
    0) trap 'umount "$boot" 2>/dev/null; clean' EXIT ;;
    1) refuse "The stick's first partition (ESP) is in use. Try again in a minute." ;;
    *) refuse "The stick's first partition (ESP) cannot be mounted. Repair it in Windows, or flash the stick again." ;;
  esac
}

clean() {
  rm -rf "$work"
  # Unless this run receives a push, the files there belong to another run.
  [ -z "$receives" ] || rm -rf "$pushed"
}

# Prints the size in bytes and the name of each UKI: one for each slot with a system.
slots() {
  find "$boot/EFI/Linux" -name '*.efi' -printf '%s %f\n'
}

# Prints the size in bytes of the smaller of the stick's two partitions of type $1 (a name that systemd-id128 knows).
slot_bytes() {
  lsblk --bytes --noheadings --raw --output SIZE,PARTTYPE /dev/ollamalive/stick \
    | sed -n "s/ $(systemd-id128 --value --uuid show "$1")\$//p" | sort -n | head -n 1
}

# Prints what update.jq decides about the update's description in file $1, from the facts in folder $2.
judge() {
  local fact arguments=() answer
  for fact in "$2"/*; do
    arguments+=(--rawfile "${fact##*/}" "$fact")
  done
  answer=$(jq --slurp --compact-output "${arguments[@]}" --from-file "$decision" "$1" 2>/dev/null)
  [ -n "$answer" ] || answer='{"verdict":"refused","says":["The description of the update cannot be read. Build the update again."]}'
  echo "$answer"
}

# Gathers the facts, and prints the decision about the description in file $1. The other arguments are options: yes, force.
decide() {
  local offer=$1 facts=$work/facts persist
  shift
  mkdir -p "$facts"
  cp /etc/os-release "$facts/running"
  slots > "$facts/slots"
  busy > "$facts/busy"
  [ ! -e "$run/trial" ] || echo trial > "$facts/trial"
  sed -n 's/.*usrhash=\([0-9a-f]*\).*/\1/p' /proc/cmdline > "$facts/usrhash"
  cat "$undone/$(jq --raw-output .version "$offer" 2>/dev/null)" > "$facts/why" 2>/dev/null
  printf '%s\n' "$@" > "$facts/options"
  {
    echo "boot=$(df --block-size=1 --output=avail "$boot" | tail -n 1)"
    echo "store=$(slot_bytes usr-x86-64)"
    echo "verity=$(slot_bytes usr-x86-64-verity)"
    if [ -n "$push" ]; then
      persist=$(df --block-size=1 --output=avail /persist | tail -n 1)
      # What is in $pushed counts as free: it is this update, or is removed before this update arrives.
      echo "persist=$((persist + $(du --summarize --bytes "$pushed" 2>/dev/null | cut -f 1) + 0))"
    fi
  } > "$facts/room"
  judge "$offer" "$facts"
}

# Downloads the release's file $1 to $work, or refuses.
download() {
  curl --silent --show-error --fail --location --proto '=http,https' --connect-timeout 20 --max-time 120 --max-filesize 4194304 \
    --output "$work/$1" "$url$1" 2> "$work/problem" && return
  refuse "$url$1 cannot be downloaded: $(tail -n 1 "$work/problem" | sed 's/^curl: ([0-9]*) //')."
}

# Whether the release's checksums are signed with our key, and with no other. Exit code and GOODSIG are both needed: gpg exits
# with 0 for expired and revoked keys too, and prints GOODSIG for our signature even beside a stranger's, which sysupdate refuses.
is_signed() {
  local found
  mkdir -m 0700 "$work/gpg"
  found=$(gpg --homedir "$work/gpg" --batch --quiet --no-default-keyring --keyring "$key" --trust-model always --status-fd 1 \
    --verify "$work/SHA256SUMS.gpg" "$work/SHA256SUMS" 2>/dev/null) || return 1
  grep -q '^\[GNUPG:\] GOODSIG ' <<< "$found"
}

# Downloads the newest release's update description to $work/update.json, and refuses it unless it is signed.
describe_newest() {
  [ -n "$url" ] \
    || refuse "ollamalive.update.url is not set. Set it and publicKey, and flash the stick, or run on another computer: cargo xtask update HOST"
  download SHA256SUMS
  download SHA256SUMS.gpg
  is_signed \
    || refuse "The release at $url is not signed with the key in ollamalive.update.publicKey. Nothing was installed. Sign it with that key."
  download manifest.json
  (cd "$work" && grep ' [ *]manifest\.json$' SHA256SUMS | sha256sum --check --status) \
    || refuse "${url}manifest.json does not match the signed checksums. Nothing was installed. Try again later."
  jq .update "$work/manifest.json" > "$work/update.json"
}

# Prints the sentences of the decision $1.
say() {
  jq --raw-output '.says[]' <<< "$1"
  if [ "$task:$(verdict "$1")" = pull:ask ]; then
    echo "To install it anyway: sudo ollamalive update --yes"
  fi
}

verdict() {
  jq --raw-output .verdict <<< "$1"
}

# Prints the decision $1, and returns only if the update is to be installed.
obey() {
  case $(verdict "$1") in
    install) say "$1" ;;
    ask) say "$1" && exit 4 ;;
    current) say "$1" && exit ;;
    installed)
      say "$1"
      [ -z "$restart" ] || restart
      exit 0
      ;;
    *) refuse "$(say "$1")" ;;
  esac
}

# Installs the version that file $1 describes. The other arguments are options for sysupdate.
install() {
  local version before=memory failed
  version=$(jq --raw-output .version "$1")
  failed="Version $version was not installed. The running system is unchanged. Try again later."
  shift
  [ ! -e /dev/ollamalive/PERSIST ] || [ "$(findmnt --noheadings --output FSTYPE --mountpoint /persist)" != ext4 ] || before=stick
  case ,$(findmnt --noheadings --output OPTIONS --mountpoint "$boot"), in
    *,ro,*) refuse "The stick is write-protected. Nothing was installed. Switch the protection off." ;;
  esac
  echo "Installing version $version. This takes a few minutes."
  # Without --foreground, Ctrl-C would not reach sysupdate.
  timeout --foreground 12h "$sysupdate" "$@" update "$version" > "$work/sysupdate" 2>&1 || {
    cat "$work/sysupdate" >&2
    refuse "$failed"
  }
  slots | grep -q " ollamalive_$version+" || refuse "$failed"
  # The trial fails if PERSIST was in use before, and is not in the new version (trial.sh).
  mkdir -p "$boot/loader" && echo "$before" > "$boot/loader/ollamalive-persist"
  sync
  echo "Version $version is installed."
}

# Restarts the PC and exits. While the PC is busy, and without --force, exits with 3 instead.
restart() {
  local reason
  reason=$(busy | head -n 1)
  if [ -n "$reason" ] && [ -z "$force" ]; then
    echo "$reason The PC was not restarted. Restart it later: sudo systemctl reboot"
    exit 3
  fi
  umount "$boot" 2>/dev/null
  echo "Restarting."
  systemctl reboot
  exit
}

# Prints the machine's state as one line of JSON, for `cargo xtask update`.
state() {
  local trial=false
  [ ! -e "$run/trial" ] || trial=true
  for file in "$run"/undone/*; do
    [ -e "$file" ] || continue
    jq --null-input --arg version "${file##*/}" --rawfile why "$file" '{ version: $version, why: ($why | rtrimstr("\n")) }'
  done | jq --compact-output --slurp --arg version "$(runs)" --argjson trial "$trial" '{ version: $version, trial: $trial, undone: . }'
}

task=pull check='' options=() force='' restart='' push='' receives=''
for argument; do
  case $argument in
    --check) check=1 ;;
    --yes) options+=(yes) ;;
    --force) options+=(force) && force=1 ;;
    --restart) restart=1 ;;
    # For `cargo xtask update`.
    --state | --examine | --pushed) task=${argument#--} ;;
    # For the timer.
    --restart-into) task=into ;;
    *) echo "$usage" >&2 && exit 2 ;;
  esac
done
if [ "$task" = state ]; then
  state
  exit
fi
[ "$(id -u)" = 0 ] || refuse "Updates need root: sudo ollamalive update $*"
[ -e /dev/ollamalive/stick ] || refuse "This system was not started from a stick, so it cannot be updated. Flash a stick and start from it."
work=$(mktemp -d)
trap clean EXIT

case $task in
  pull)
    alone
    describe_newest
    open_boot rw
    decided=$(decide "$work/update.json" "${options[@]}")
    if [ -n "$check" ]; then
      say "$decided"
      exit 0
    fi
    obey "$decided"
    install "$work/update.json"
    ;;
  examine)
    # Dry run: installs nothing, never restarts.
    push=1 restart=''
    timeout --foreground 1m cat > "$work/update.json"
    open_boot ro
    # force: a loaded model does not keep a pushed version from being installed, only the PC from restarting.
    decided=$(decide "$work/update.json" force "${options[@]}")
    obey "$decided"
    exit
    ;;
  pushed)
    alone
    push=1 receives=1
    rm -rf "$pushed"
    mkdir -m 0700 "$pushed" 2> "$work/problem" || refuse "/persist cannot be written to: $(tail -n 1 "$work/problem")."
    # The first line of tar's errors has the reason.
    timeout --foreground 3h tar --extract --directory "$pushed" --no-same-owner 2> "$work/problem" || {
      ! grep -q "No space left" "$work/problem" \
        || refuse "PERSIST has no room for the update. Nothing was installed. Delete something under /persist, and send the update again."
      refuse "The update is incomplete: $(head -n 1 "$work/problem"). Nothing was installed. Send it again."
    }
    open_boot rw
    decided=$(decide "$pushed/update.json" force "${options[@]}")
    obey "$decided"
    (cd "$pushed" && jq --raw-output '.files[] | "\(.sha256)  \(.file)"' update.json | sha256sum --check --status 2>/dev/null) \
      || refuse "The update was damaged on the way: a checksum differs. Nothing was installed. Send it again."
    install "$pushed/update.json" --definitions=/etc/ollamalive/pushed.d --verify=no
    ;;
  into)
    open_boot ro
    # The newest version with tries left.
    newest=$(slots | sed -n 's/.* ollamalive_\([0-9]*\)+[1-9].*/\1/p' | sort | tail -n 1)
    [ "${newest:-0}" -gt "$(runs)" ] || exit 0
    restart
    ;;
esac
umount "$boot"
[ -z "$restart" ] || restart
echo "It starts at the next restart: sudo systemctl reboot"
