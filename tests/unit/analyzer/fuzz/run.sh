#!/usr/bin/env bash
# Builds the libFuzzer target with clang and runs it for 20 s (MX_FUZZ_SECONDS) from small real programs.
#   run.sh BUILD-FOLDER MX-ANALYZE
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1 analyze=$2 seconds=${MX_FUZZ_SECONDS:-20}
cmake -S "$here" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER=clang++ > /dev/null
cmake --build "$build" -j 2 > "$build/log" 2>&1 || { cat "$build/log"; exit 1; }
[ "$seconds" = 0 ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/seeds" "$work/found"
printf '%s\n' 'int puts(const char*); int twice(int x) { return x * 2; }' \
  'int main(int c, char** v) { switch (c) { case 1: puts(v[0]); break; case 2: return 7; case 3: puts("x"); break;' \
  'case 4: return 9; case 5: puts("y"); } return twice(c); }' > "$work/a.c"
gcc -O1 -g -o "$work/seeds/named" "$work/a.c"
gcc -O1 -s -o "$work/seeds/bare" "$work/a.c"
gcc -O1 -s -nostdlib -no-pie -Wl,-e,main -Wl,--unresolved-symbols=ignore-all -o "$work/seeds/tiny" "$work/a.c"
gcc -O2 -s -shared -fPIC -o "$work/seeds/library" "$work/a.c"
XDG_CACHE_HOME=$work "$analyze" "$work/seeds/named" "$work/seeds/bare" --format mapping > "$work/mapping"
mv "$work/mapping" "$work/seeds/mapping"
MX_FUZZ_SEED_FILE=$work/seeds/bare "$build/analyze_fuzz" -max_total_time="$seconds" -max_len=60000 -timeout=30 -rss_limit_mb=3000 \
  -print_final_stats=1 -artifact_prefix="$work/" "$work/found" "$work/seeds" > "$work/log" 2>&1 || {
  tail -40 "$work/log"
  kept=$(mktemp -d /tmp/mx-analyzer-fuzz-XXXXXX)
  cp "$work"/crash-* "$work"/timeout-* "$work"/oom-* "$kept" 2> /dev/null || true
  echo "fuzz: the input is kept in $kept"
  exit 1
}
grep -E 'stat::number_of_executed_units|stat::new_units_added|stat::peak_rss_mb|^#.*DONE' "$work/log"
