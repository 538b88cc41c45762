# shellcheck shell=bash
# The command `ollamalive`: prints what ollamalive-health.service has found, or updates. health.nix sets $jq, and $update to
# the program of update.sh, in front of this text.
: "${jq:?}" "${update:?}"
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
  update | "update "*)
    shift
    exec "$update" "$@"
    ;;
  *)
    echo "usage: ollamalive status [--json]" >&2
    echo "       ollamalive update [--check | --state] [--yes] [--force] [--restart]" >&2
    exit 2
    ;;
esac
