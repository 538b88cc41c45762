# shellcheck shell=bash
# Runs before the server starts, and before anything looks into the models drive, which mounts it. $drive names it.
: "${drive:?}"
# Of several drives with one name, Linux would take any. One that is mounted already stays.
if ! grep -q ' /mnt/models fuseblk ' /proc/self/mounts; then
  same=$(blkid -c /dev/null -o device -t "$drive" | wc -l)
  if [ "$same" -gt 1 ]; then
    echo "Ollama cannot start yet: $same drives are called ${drive#*=}, and none of them is used"
    rm -f /run/ollamalive/notices/models
    exit 1
  fi
fi
