#!/usr/bin/env bash
# The test command: on a fresh Debian 12, as root, installs what is missing, builds, runs the tests of all labels (unit,
# programs, integration, engines, fuzz) except those named in tests/not_yet.txt, with the reason; with --all those too.
# A test that fails is tried again (up to three times in all) unless --once is given: a machine under load is no reason
# to hold back a change, but `--once --all` is what says that mx works.
#
#   tests/run.sh [--all] [--once] [--label L] [--no-install] [--build-dir DIR] [-- CTEST-OPTIONS…]
#
# Prints little when all is well and everything when it is not; ctest's summary comes last, with the end of what the failed
# tests said. Exit status 0 only if all that ran passed.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
build=$repository/build
label=
install=yes
all=no
tries=3

usage() { sed -n '2,12s/^# \{0,1\}//p' "$0"; }

while [ $# -gt 0 ]; do
  case $1 in
    --label) label=${2:?--label needs a name}; shift 2 ;;
    --no-install) install=no; shift ;;
    --all) all=yes; shift ;;
    --once) tries=1; shift ;;
    --build-dir) build=$(realpath -m "${2:?--build-dir needs a folder}"); shift 2 ;;
    --help | -h) usage; exit 0 ;;
    --) shift; break ;;
    *) echo "run.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
done

# step NAME COMMAND…: quiet on success, all of the output on failure.
step() {
  local name=$1 log start=$SECONDS
  shift
  log=$(mktemp)
  if ! "$@" > "$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "run.sh: $name failed" >&2
    exit 1
  fi
  rm -f "$log"
  echo "$name: $((SECONDS - start)) s"
}

mkdir -p "$build/cache"
if [ "$install" = yes ]; then
  step "install" "$repository/tests/lib/install.sh" "$build/cache" build redis programs engines
fi
step "configure" cmake -S "$repository" -B "$build" -G Ninja
step "build" cmake --build "$build" -j "$(nproc)"

selection=()
if [ -n "$label" ]; then selection+=(-L "^$label\$"); fi
if [ "$all" = no ]; then
  # NAME REASON…; a name is a regular expression over the whole name of a test.
  left_out=$(sed -n 's/^\([^# ]\+\) .*/\1/p' "$repository/tests/not_yet.txt" | paste -sd '|')
  if [ -n "$left_out" ]; then selection+=(-E "^($left_out)\$"); fi
fi
ctest --test-dir "$build" --output-on-failure --no-tests=error -j 2 --repeat "until-pass:$tries" "${selection[@]}" "$@" && exit
status=$?
"$repository/tests/lib/last_words.sh" "$build"
exit "$status"
