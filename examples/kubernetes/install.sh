#!/bin/sh
# Copies mx to the node (mounted at /host) and configures its containerd.
set -eu
HOST=${HOST:-/host}
mkdir -p "$HOST/opt/mx/bin" "$HOST/opt/mx/libexec/mx" "$HOST/etc/mx"
# mx-runtime finds its helpers in ../libexec/mx; each file arrives by rename, containers may be starting.
for file in bin/mx-runtime bin/mx libexec/mx/mx-hook libexec/mx/mx-enter libexec/mx/mx-tables libexec/mx/mx-monitor \
            libexec/mx/mx-analyze libexec/mx/mx-analyze-full; do
  cp "/usr/$file" "$HOST/opt/mx/$file.tmp"
  mv "$HOST/opt/mx/$file.tmp" "$HOST/opt/mx/$file"
done
[ -e "$HOST/etc/mx/config.toml" ] || cp /etc/mx/config.toml "$HOST/etc/mx/config.toml"
mx configure containerd --root "$HOST" --runtime /opt/mx/bin/mx-runtime
