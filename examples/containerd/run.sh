#!/bin/sh
# ctr needs no configuration: the shim is told which runtime to call.
set -eu
CTR=${CTR:-ctr}
MX=${MX:-mx}
RUNTIME=${RUNTIME:-/usr/bin/mx-runtime}
OLD=${OLD:-localhost/app:old}
NEW_TREE=${NEW_TREE:?a root tree of the new version}
$MX image add app:new "dir:$NEW_TREE"
$CTR run --rm --runtime io.containerd.runc.v2 --runc-binary "$RUNTIME" \
  --annotation run.mx.new=image:app:new "$OLD" "mx-example-$$" cat /etc/version
