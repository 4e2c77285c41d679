#!/bin/sh
# One container, two images: redis from two Debian root trees, the new one as the follower.
# Needs root, dockerd with `mx configure docker` applied, mx, and two images app:old and app:new.
# DOCKER (default "docker") may carry options, for example a socket: DOCKER="docker -H unix:///tmp/d.sock".
set -eu
DOCKER=${DOCKER:-docker}
MX=${MX:-mx}
OLD=${OLD:-app:old}
NEW=${NEW:-app:new}

# Once per image, ahead of time: nothing in a container's start asks the daemon for it.
$MX image add ${MX_IMAGE_OPTIONS:-} "$NEW" "docker-daemon:$NEW"

name=mx-example-$$
trap '$DOCKER rm -f "$name" >/dev/null 2>&1' EXIT
$DOCKER run -d --name "$name" --network none --runtime mx -e MX_NEW="image:$NEW" "$OLD" sleep 60
$DOCKER exec "$name" cat /etc/version
$DOCKER stop -t 1 "$name"
