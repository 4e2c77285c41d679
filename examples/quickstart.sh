#!/usr/bin/env bash
# Two releases of redis-server from Debian, run as one program. One is killed under load; no client notices.
#
#   examples/quickstart.sh      on a fresh Debian 12, as root; installs what is missing and builds mx first
#
# MX=PATH uses a mx that is built already.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(dirname "$here")
build=$repository/build
export PYTHONPATH=$repository/tests/lib PYTHONDONTWRITEBYTECODE=1 MX_TEST_CACHE=$build/cache

say() { printf '\n== %s\n' "$*"; }

mkdir -p "$build/cache"
work=$(mktemp -d /tmp/mx-quickstart-XXXXXX)
server=
clean_up() {
  if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then kill "$server"; wait "$server" || true; fi
  rm -rf "$work"
}
trap clean_up EXIT

# quiet COMMAND…: its output only if it fails.
quiet() {
  if ! "$@" > "$work/log" 2>&1; then
    cat "$work/log" >&2
    echo "quickstart: this failed: $*" >&2
    exit 1
  fi
}

say "What is missing is installed"
if [ -n "${MX:-}" ]; then "$repository/tests/lib/install.sh" "$build/cache" redis
else "$repository/tests/lib/install.sh" "$build/cache" build redis; fi
echo "done"

if [ -z "${MX:-}" ]; then
  say "mx is built (a few minutes the first time)"
  quiet cmake -S "$repository" -B "$build" -G Ninja
  quiet cmake --build "$build" --target mx
  MX=$build/shim/cli/mx
  echo "$MX"
fi

say "Two releases of redis-server are fetched from Debian"
mapfile -t roots < <(/usr/bin/python3 -m mxtest.debian redis-server redis-tools)
old=${roots[0]}/usr/bin/redis-server new=${roots[1]}/usr/bin/redis-server
tools=${roots[1]}/usr/bin
printf 'old: %s\nnew: %s\n' "$old" "$new"
if [ "$old" = "$new" ]; then echo "(Debian serves only one release at the moment: it runs as both versions)"; fi

say "They are started as one program"
port=$(/usr/bin/python3 -c 'import mxtest; print(mxtest.free_port())')
echo "mx run --old OLD --new NEW --report report -- --port $port"
"$MX" run --old "$old" --new "$new" --report "$work/report" -- --port "$port" --dir "$work" --save "" \
  > "$work/server.log" 2>&1 &
server=$!
/usr/bin/python3 - "$port" "$server" <<'PYTHON' || { cat "$work/server.log" >&2; exit 1; }
import pathlib, sys
import mxtest
try:
    mxtest.wait_until_connects(int(sys.argv[1]), alive=pathlib.Path(f"/proc/{sys.argv[2]}/cmdline").read_bytes)
except TimeoutError as problem:
    sys.exit(f"quickstart: {problem}")
PYTHON
echo "process $server, port $port"

say "A client sees one redis"
cli() { "$tools/redis-cli" -p "$port" "$@"; }
for words in "SET greeting hello" "GET greeting" "INCR visits" "LPUSH list a b c"; do
  # shellcheck disable=SC2086  # a list of words
  printf '%-22s -> %s\n' "$words" "$(cli $words)"
done
"$tools/redis-benchmark" -p "$port" -c 50 -n 100000 -t set,get -q | tr '\r' '\n' | grep 'requests per second'

say "50 clients work. In the middle of it the leader is killed (kill -9)"
/usr/bin/python3 "$here/load.py" "$port" "$work/report"

say "It is still the same redis"
printf '%-22s -> %s\n' "GET greeting" "$(cli GET greeting)" "INCR visits" "$(cli INCR visits)"

say "It is stopped"
status=0
kill "$server"
wait "$server" || status=$?
server=
echo "exit status $status"
exit "$status"
