# shellcheck shell=bash
# The command `ollamalive`: prints what ollamalive-health.service has found. health.nix sets $jq in front of this text.
: "${jq:?}"
status=/run/ollamalive/status.json
# Until the first look.
state='{"state":"starting","address":null,"causes":[]}'
[ ! -r "$status" ] || state=$(cat "$status")

case "$*" in
  status)
    # shellcheck disable=SC2016 # jq expands it.
    "$jq" --raw-output '
      (if .address then " at \(.address)" else "" end) as $at
      | { serving: "Ollama is serving\($at).", starting: "Ollama is starting.", degraded: "Ollama is serving\($at), with limits:",
          "not serving": "Ollama is not serving:" }[.state],
        (.causes[] | "- \(.says)")' <<< "$state"
    ;;
  "status --json") printf '%s\n' "$state" ;;
  *)
    echo "usage: ollamalive status [--json]" >&2
    exit 2
    ;;
esac
