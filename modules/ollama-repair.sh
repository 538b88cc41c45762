# shellcheck shell=bash
# Runs after the server has ended. 127 means that its program is not there: the image on PERSIST has lost files. It is
# removed, once per boot, so that the next start fetches or loads it again.
: "${image:?}"
repaired=/run/ollamalive/image-repaired
if [ "${EXIT_STATUS-}" = 127 ] && [ ! -e "$repaired" ]; then
  touch "$repaired"
  echo "The image $image is damaged. It is removed and fetched again, once."
  docker image rm --force "$image" || true
fi
