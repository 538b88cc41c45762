#!/bin/bash
# A Docker that only notes what it is asked. Beside it are files with its images and those of the registry, one per line:
# name, ID, size, digests. The file `free` says how many bytes are free.
cd "${0%/*}" || exit 2
last=${*: -1}

take() {
  if [ "$(<free)" -lt "$1" ]; then
    echo "Pulling from library" && echo "write /var/lib/docker/tmp/x: no space left on device" >&2
    exit 1
  fi
  echo $(($(<free) - $1)) >free
}

case "$1 $2" in
  "image inspect")
    case $4 in '{{.Id}}') field=2 ;; '{{.Size}}') field=3 ;; *) field=4- ;; esac
    { grep -m1 "^$last " images || grep -m1 "^[^ ]* $last " images; } | cut -d ' ' -f "$field" | grep .
    ;;
  "image ls") grep "^${last}[:@]" images | sed 's/^\([^ @]*\)@[^ ]*/\1:<none>/; s/^\([^ ]*\) \([^ ]*\) .*/\2 \1/' ;;
  "image rm")
    echo "rm $last" >>asked
    line=$(grep -m1 "^$last \|^[^ ]* $last " images) || exit 1
    read -r _ id size _ <<<"$line"
    if grep -qx "$id" used; then
      echo "conflict: a container is using it" >&2
      exit 1
    fi
    grep -v "^[^ ]* $id " images >rest
    mv rest images
    echo $(($(<free) + size)) >free
    ;;
  "manifest inspect") echo "size $last" >>asked && cat "manifest-${last##*@}" ;;
  load*) { tar -xOf "$3" images 2>/dev/null || cat "$3"; } >load && cat load >>images && sed 's/ .*//; s/^/Loaded image: /' load ;;
  pull*)
    echo "pull $2" >>asked
    cp notices/image said
    if ! line=$(grep "^$2 " registry); then
      { cat refusal 2>/dev/null || echo "Error: lookup registry-1.docker.io: no such host"; } >&2
      exit 1
    fi
    read -r _ _ size _ <<<"$line"
    take "$size"
    echo "$line" >>images
    ;;
  tag*) { echo "$3 $(grep "^$2 " images | cut -d ' ' -f 2-)" && cat images; } >new && mv new images ;;
  run*) echo "run $last" >>asked ;;
esac
