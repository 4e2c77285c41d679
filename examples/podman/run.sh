#!/bin/sh
# The second image is mounted by podman itself: no store, no copy. Needs root and `mx configure podman`.
# Rootless: works where the kernel allows overlay mounts in user namespaces (see docs/containers.md).
set -eu
PODMAN=${PODMAN:-podman}
OLD=${OLD:-app:old}
NEW=${NEW:-app:new}
$PODMAN --runtime mx run --rm ${PODMAN_OPTIONS:---network none} \
  --annotation run.mx.new=volume:/mx/new --mount type=image,source="$NEW",destination=/mx/new \
  "$OLD" cat /etc/version
