# shellcheck shell=bash
# Finds out whether containers can have the NVIDIA GPU, and if not, why (gpu.nix). The functions up to "On the machine"
# read only their arguments, so that tests can run them on recorded output.

# The oldest driver that Ollama accepts for cards before the RTX series. gpu.nix has the same number.
oldest_driver=570

# The display controllers of NVIDIA in $1, a folder like /sys/bus/pci/devices: their PCI IDs, such as 10de:1b80.
nvidia_cards() {
  local card id
  for card in "$1"/*; do
    # 0x0300 is a card with a display, 0x0302 one without. The card's sound device is 0x0403.
    if grep -qsx 0x10de "$card/vendor" && grep -qs '^0x03' "$card/class" && read -r id < "$card/device"; then
      echo "10de:${id#0x}"
    fi
  done
}

# The name of the card with PCI ID $1, from $2, a file like pci.ids: "NVIDIA GeForce GTX 1080".
card_name() {
  local name=
  [ -n "$1" ] || { echo "NVIDIA GPU" && return; }
  name=$(sed -n "/^${1%:*}  /,/^[0-9a-f]\{4\}  /s/^\t${1#*:}  //p" "$2" 2>/dev/null | head -n 1)
  # In the file: GP104 [GeForce GTX 1080]
  case $name in *"["*"]"*) name=${name##*"["} name=${name%%"]"*} ;; esac
  echo "NVIDIA ${name:-GPU $1}"
}

# Succeeds if the CDI spec $1 lists a GPU. The generator may also leave a file that is empty, cut off, or without a GPU.
offers_gpu() {
  # --slurp, because jq would succeed on an empty file.
  jq --exit-status --slurp '.[0] | .kind == "nvidia.com/gpu" and any(.devices[]?;
    .name == "all" and any(.containerEdits.deviceNodes[]?.path; strings | test("^/dev/nvidia[0-9]+$")))' "$1" >/dev/null 2>&1
}

# The driver's last complaint about a card in the kernel messages $1, in a word and its details:
#   no-gsp ID          the card is too old for the open kernel module: it has no GSP, a processor on the cards from RTX 20
#                      and GTX 16 on
#   legacy BRANCH NAME the card needs an older driver
#   needs-open ID      the card is too new for the closed kernel module
#   too-new ID         the card is too new for this driver
#   lost ID            the card does not answer
refusal() {
  # A message has several lines, each with NVRM. Here it becomes one.
  sed -n 's/^.*NVRM: *//p' "$1" | tr -s '[:space:]' ' ' | sed 's/The NVIDIA /\n&/g' | sed -n '
    s/^The NVIDIA GPU [^ ]* (PCI ID: \([^)]*\)) installed in this system /\1 /
    s/^\([^ ]*\) is not supported by open nvidia.ko .*/no-gsp \1/p
    s/^The NVIDIA \(.*\) GPU installed in this system is supported through the NVIDIA \([0-9]*\)\.[0-9x.]* Legacy .*/legacy \2 \1/p
    s/^\([^ ]*\) requires use of the NVIDIA open kernel modules.*/needs-open \1/p
    s/^\([^ ]*\) is not supported by the NVIDIA [^ ]* driver release.*/too-new \1/p
    s/^\([^ ]*\) has fallen off the bus .*/lost \1/p' | tail -n 1
}

to_do() {
  echo "Write this line before the last } of configuration.nix: ollamalive.gpu.driver = \"$1\"; Then build the image and flash it."
}

# Why containers have no GPU, and what to do, as sentences; nothing if they have one. $1 is like /sys/bus/pci/devices, $2
# the CDI spec, $3 the kernel's messages, $4 like pci.ids, $5 the driver in words: "driver 595.84 (open)".
why_no_gpu() {
  local cards refused name
  ! offers_gpu "$2" || return 0
  cards=$(nvidia_cards "$1")
  if [ -z "$cards" ]; then
    echo "No NVIDIA GPU found."
    return
  fi
  refused=$(refusal "$3")
  case $refused in
    "no-gsp "* | "needs-open "* | "too-new "* | "lost "*) name=$(card_name "${refused#* }" "$4") ;;
    *) name=$(card_name "${cards%%$'\n'*}" "$4") ;;
  esac
  case $refused in
    "no-gsp "*) echo "The $name is too old for $5. $(to_do legacy_580)" ;;
    "legacy "*)
      refused=${refused#legacy }
      name="NVIDIA ${refused#* }"
      if [ "${refused%% *}" -ge "$oldest_driver" ]; then
        echo "The $name is too old for $5. $(to_do "legacy_${refused%% *}")"
      else
        echo "The $name is too old for Ollama: the last driver for it is ${refused%% *}, and Ollama needs $oldest_driver."
      fi
      ;;
    "needs-open "*) echo "The $name does not work with $5. $(to_do open)" ;;
    "too-new "*) echo "The $name is too new for $5. Update OllamaLive." ;;
    "lost "*) echo "The $name does not answer. Switch the PC off, and on again." ;;
    *) echo "The $name is not usable with $5 (see: journalctl -b -u nvidia-container-toolkit-cdi-generator)." ;;
  esac
}

# Prints what the server with log $1 computes on, "gpu" or "cpu"; nothing if the log does not say yet.
computes_on() {
  local libraries
  # msg="inference compute" id=GPU-… library=CUDA …, a line for each GPU, or one with library=cpu.
  libraries=$(sed -n 's/.*inference compute.* library=\([^ ]*\).*/\1/p' "$1")
  if [ -n "$libraries" ]; then
    if grep -qvix cpu <<< "$libraries"; then echo gpu; else echo cpu; fi
  fi
}

# On the machine.

generator=nvidia-container-toolkit-cdi-generator.service
spec=/run/cdi/nvidia-container-toolkit.json
empty_spec=/run/cdi/no-gpu.json
devices=/sys/bus/pci/devices
# "yes" or "no": whether containers could have a GPU when this was last looked at.
state=/run/ollamalive/gpu
# Ollama was restarted because it computed on the CPU.
restarted=/run/ollamalive/gpu-restarted
notice=/run/ollamalive/notices/gpu

driver() {
  local version kind
  if read -r version kind < /etc/ollamalive/gpu-driver; then
    echo "driver $version ($kind)"
  else
    echo "the NVIDIA driver"
  fi 2>/dev/null
}

# gpu-fallback.service: without a GPU, an empty device takes its name, so that Ollama starts on the CPU.
report() {
  local kernel why before=
  mkdir -p /run/cdi "${notice%/*}"
  rm -f "$empty_spec" "$notice"
  [ ! -e "$state" ] || before=$(cat "$state")
  kernel=$(mktemp)
  if [ -n "$(nvidia_cards "$devices")" ]; then
    journalctl -b -k -o cat --no-pager > "$kernel" || true
  fi
  why=$(why_no_gpu "$devices" "$spec" "$kernel" "$PCI_IDS" "$(driver)")
  rm "$kernel"
  if [ -z "$why" ]; then
    echo yes > "$state"
    if [ "$before" = no ]; then
      echo "The GPU is there now. Ollama is restarted if it runs."
      systemctl --no-block try-restart docker-ollama.service
    fi
    return
  fi
  echo no > "$state"
  echo "$why Ollama runs on the CPU." | tee "$notice"
  # Docker rejects both of two devices with the same name.
  [ ! -e "$spec" ] || mv "$spec" "$spec.unusable"
  cat > "$empty_spec" <<'END'
{
  "cdiVersion": "0.5.0",
  "kind": "nvidia.com/gpu",
  "devices": [
    { "name": "all", "containerEdits": { "env": [ "OLLAMALIVE_GPU=none" ] } }
  ]
}
END
}

# Prints what the server computes on, once it has logged that. Its image may have to be downloaded first, so this waits for up
# to a day.
what_server_uses() {
  local log invocation on='' deadline=$((SECONDS + 86400))
  log=$(mktemp)
  while [ -z "$on" ] && [ "$SECONDS" -lt "$deadline" ]; do
    sleep 5
    invocation=$(systemctl show docker-ollama.service --property=InvocationID --value) || true
    journalctl -b "_SYSTEMD_INVOCATION_ID=${invocation:-none}" --no-pager -o cat > "$log" 2>/dev/null || : > "$log"
    on=$(computes_on "$log")
  done
  rm "$log"
  echo "$on"
}

# gpu-watch.service: restarts Ollama once if it computes on the CPU although containers can have the GPU.
watch() {
  local on name cards
  on=$(what_server_uses)
  cards=$(nvidia_cards "$devices")
  name=$(card_name "${cards%%$'\n'*}" "$PCI_IDS")
  if [ "$on" = cpu ] && [ ! -e "$restarted" ]; then
    touch "$restarted"
    echo "Ollama computes on the CPU although the PC has an $name. It is restarted once."
    # A spec that was generated before the driver's last device existed lacks that device.
    systemctl try-restart "$generator" || true
    systemctl restart docker-ollama.service
    on=$(what_server_uses)
  fi
  # If the GPU is gone by now, report() has written the right notice.
  offers_gpu "$spec" || return 0
  case $on in
    cpu)
      echo "Ollama computes on the CPU although the PC has an $name with $(driver). Restarting Ollama did not help" \
        "(see: journalctl -b -u docker-ollama). Restart the PC." | tee "$notice"
      ;;
    gpu) rm -f "$restarted" "$notice" ;;
  esac
}

case ${1-} in
  report | watch) set -e; "$1" ;;
  offered) offers_gpu "$spec" ;;
esac
