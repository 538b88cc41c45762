# shellcheck shell=bash
# The command `ollamalive update`. update.nix sets, in front of this text:
#   sysupdate  systemd-sysupdate
#   decision   update.jq
#   url        where releases are, or nothing
#   key        the key that they are signed with, or nothing
#   pushed     the folder that takes what is pushed
#   boot       the folder where the ESP is mounted while an update is installed
#   port       the port where Ollama answers
: "${sysupdate:?}" "${decision:?}" "${url?}" "${key?}" "${pushed:?}" "${boot:?}" "${port:?}"

run=/run/ollamalive
# Why versions were undone: files with their names (trial.sh).
undone=/persist/update-undone
usage="usage: ollamalive update [--check] [--yes] [--force] [--restart]"

refuse() {
  echo "$1" >&2
  exit 1
}

# What installs nothing, and why not restart: a line for each thing that is going on.
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

# The ESP, which nothing else may mount meanwhile (esp.sh).
mount_boot() {
  mkdir -p "$boot"
  exec 9> "$run/esp.lock"
  flock --timeout 120 9 || refuse "The stick's first partition (ESP) is in use. Try again in a minute."
  trap 'umount "$boot" 2>/dev/null; clean' EXIT
  mount -t vfat -o "$1",nosuid,nodev,noexec,umask=077,utf8 /dev/ollamalive/ESP "$boot" 2>/dev/null \
    || refuse "The stick's first partition (ESP) cannot be mounted. Repair it in Windows, or flash the stick again."
}

clean() {
  rm -rf "$pushed" "${work:-}"
}

slots() {
  find "$boot/EFI/Linux" -name '*.efi' -printf '%s %f\n'
}

# Bytes of this stick's partition of type $1.
slot_bytes() {
  lsblk --bytes --noheadings --raw --output SIZE,PARTTYPE /dev/ollamalive/stick | sed -n "s/ $1\$//p" | sort -n | head -n 1
}

# Asks update.jq about the description in file $1; the rest are the options that count.
decide() {
  local offer=$1 facts=$work/facts fact arguments=()
  shift
  mkdir -p "$facts"
  cp /etc/os-release "$facts/running"
  slots > "$facts/slots"
  busy > "$facts/busy"
  sed -n 's/.*usrhash=\([0-9a-f]*\).*/\1/p' /proc/cmdline > "$facts/usrhash"
  cat "$undone/$(jq --raw-output .version "$offer" 2>/dev/null)" > "$facts/why" 2>/dev/null || true
  printf '%s\n' "$@" > "$facts/options"
  {
    echo "boot=$(df --block-size=1 --output=avail "$boot" | tail -n 1)"
    echo "store=$(slot_bytes 8484680c-9521-48c6-9c11-b0720656f69e)"
    echo "verity=$(slot_bytes 77ff5f63-e7b6-4633-acf4-1565b864c0e6)"
    [ -z "$push" ] || echo "persist=$(df --block-size=1 --output=avail /persist | tail -n 1)"
  } > "$facts/room"
  for fact in "$facts"/*; do
    arguments+=(--rawfile "${fact##*/}" "$fact")
  done
  jq --compact-output "${arguments[@]}" --from-file "$decision" "$offer" 2>/dev/null \
    || echo '{"verdict":"refused","says":["What was sent is no description of an update."]}'
}

download() {
  curl --silent --show-error --fail --location --proto '=http,https' --connect-timeout 20 --max-time 120 --max-filesize 4194304 \
    --output "$work/$1" "$url$1" 2> "$work/problem" || refuse "$url$1 cannot be downloaded: $(tail -n 1 "$work/problem")."
}

# Whether the release's list of checksums is signed with our key. gpg's own status does not count expired and revoked keys.
is_signed() {
  mkdir -m 0700 "$work/gpg"
  gpg --homedir "$work/gpg" --batch --quiet --no-default-keyring --keyring "$key" --trust-model always --status-fd 1 \
    --verify "$work/SHA256SUMS.gpg" "$work/SHA256SUMS" 2>/dev/null | grep -q '^\[GNUPG:\] GOODSIG '
}

# Puts the description of the newest release into $work/update.json.
describe_newest() {
  [ -n "$url" ] || refuse "No address of releases is set: set ollamalive.update.url, or push an update from another computer: cargo xtask update."
  download SHA256SUMS
  download SHA256SUMS.gpg
  is_signed || refuse "The release at $url is not signed with the key of this system (ollamalive.update.publicKey): it is not installed."
  download manifest.json
  (cd "$work" && grep ' [ *]manifest\.json$' SHA256SUMS | sha256sum --check --status) \
    || refuse "The file manifest.json at $url is not the one that was signed: it is not installed. Try again later."
  jq .update "$work/manifest.json" > "$work/update.json"
}

# Says what was decided, and ends unless there is something to install.
obey() {
  local verdict
  verdict=$(jq --raw-output .verdict <<< "$1")
  case $verdict in
    install) jq --raw-output '.says[]' <<< "$1" ;;
    ask) jq --raw-output '.says[]' <<< "$1" && exit 4 ;;
    refused) refuse "$(jq --raw-output '.says[]' <<< "$1")" ;;
    *) jq --raw-output '.says[]' <<< "$1" && exit 0 ;;
  esac
}

# Installs the version in file $1; the rest are sysupdate's options.
install() {
  local version before=memory
  version=$(jq --raw-output .version "$1")
  shift
  [ ! -e /dev/ollamalive/PERSIST ] || [ "$(findmnt --noheadings --output FSTYPE --mountpoint /persist)" != ext4 ] || before=stick
  case ,$(findmnt --noheadings --output OPTIONS --mountpoint "$boot"), in
    *,ro,*) refuse "The stick is write-protected, so nothing can be installed." ;;
  esac
  "$sysupdate" "$@" update "$version" > "$work/sysupdate" 2>&1 || {
    cat "$work/sysupdate" >&2
    refuse "Version $version was not installed. The system that runs is as it was. Try again later."
  }
  slots | grep -q " ollamalive_$version+" || refuse "Version $version was not installed. The system that runs is as it was. Try again later."
  # For the new version: whether PERSIST is as it was.
  mkdir -p "$boot/loader" && echo "$before" > "$boot/loader/ollamalive-persist"
  sync
  echo "Version $version is installed."
}

restart() {
  local reason
  reason=$(busy | head -n 1)
  if [ -n "$reason" ] && [ -z "$force" ]; then
    echo "$reason The PC is not restarted. Do it later: sudo systemctl reboot"
    exit 3
  fi
  echo "Restarting."
  systemctl reboot
  exit
}

state() {
  local version trial=false
  version=$(sed -n 's/^IMAGE_VERSION="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release)
  [ ! -e "$run/trial" ] || trial=true
  for file in "$run"/undone/*; do
    [ -e "$file" ] || continue
    jq --null-input --arg version "${file##*/}" --rawfile why "$file" '{ version: $version, why: ($why | rtrimstr("\n")) }'
  done | jq --compact-output --slurp --arg version "$version" --argjson trial "$trial" '{ version: $version, trial: $trial, undone: . }'
}

task=pull check='' options=() force='' restart='' push=''
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
[ "$(id -u)" = 0 ] || refuse "That needs the rights of root: sudo ollamalive update"
[ -e /dev/ollamalive/stick ] || refuse "This system does not run from a stick, so it cannot be updated."
work=$(mktemp -d)
trap clean EXIT

case $task in
  pull)
    describe_newest
    mount_boot rw
    decided=$(decide "$work/update.json" "${options[@]}")
    if [ -n "$check" ]; then
      jq --raw-output '.says[]' <<< "$decided"
      exit 0
    fi
    if [ "$(jq --raw-output .verdict <<< "$decided")" = installed ] && [ -n "$restart" ]; then restart; fi
    obey "$decided"
    install "$work/update.json"
    ;;
  examine)
    push=1
    cat > "$work/update.json"
    mount_boot ro
    # Whether the PC may restart is asked when it would.
    decided=$(decide "$work/update.json" force "${options[@]}")
    obey "$decided"
    exit
    ;;
  pushed)
    push=1
    mount_boot rw
    rm -rf "$pushed"
    mkdir -m 0700 "$pushed"
    tar --extract --directory "$pushed" --no-same-owner 2> "$work/problem" \
      || refuse "The update did not arrive whole: $(tail -n 1 "$work/problem"). Nothing was installed. Send it again."
    decided=$(decide "$pushed/update.json" force "${options[@]}")
    if [ "$(jq --raw-output .verdict <<< "$decided")" = installed ] && [ -n "$restart" ]; then restart; fi
    obey "$decided"
    (cd "$pushed" && jq --raw-output '.files[] | "\(.sha256)  \(.file)"' update.json | sha256sum --check --status) \
      || refuse "The update did not arrive whole: a checksum differs. Nothing was installed. Send it again."
    install "$pushed/update.json" --definitions=/etc/ollamalive/pushed.d --verify=no
    ;;
  into)
    mount_boot ro
    running=$(sed -n 's/^IMAGE_VERSION="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release)
    newest=$(slots | sed -n 's/.* ollamalive_\([0-9]*\)+[1-9].*/\1/p' | sort | tail -n 1)
    [ "${newest:-0}" -gt "$running" ] || exit 0
    restart
    ;;
esac
umount "$boot"
[ -z "$restart" ] || restart
echo "It starts at the next restart: sudo systemctl reboot"
