#!/usr/bin/env bash
# The test command: on a fresh Debian 12, as root, installs what is missing, builds, runs tests: by default those
# labelled unit, programs and fuzz, without the analyzer's, each tried up to three times; with --all every test, once.
#
#   tests/run.sh [--all] [--label L] [--no-install] [--build-dir DIR] [-- CTEST-OPTIONS…]
#
# Prints little when all is well and everything when it is not; ctest's summary comes last. Exit status 0 only if all that ran passed.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
build=$repository/build
label=
install=yes
all=no

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; }

while [ $# -gt 0 ]; do
  case $1 in
    --label) label=${2:?--label needs a name}; shift 2 ;;
    --no-install) install=no; shift ;;
    --all) all=yes; shift ;;
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
  groups=(build redis programs)
  if [ "$all" = yes ] || [ "$label" = engines ]; then groups+=(engines); fi
  step "install" "$repository/tests/lib/install.sh" "$build/cache" "${groups[@]}"
fi
step "configure" cmake -S "$repository" -B "$build" -G Ninja
# The foundation only, unless --all: the analyser and the container parts take most of the build.
foundation="mx mx-sites programs syscalls_test sites_test sites_execution_test sites_fuzz_test stream_test"
if [ "$all" = yes ] || [ -n "$label" ]; then foundation=all; fi
# shellcheck disable=SC2086  # a list of targets
step "build" cmake --build "$build" -j "$(nproc)" --target $foundation

run_ctest() { ctest --test-dir "$build" --output-on-failure --no-tests=error "$@"; }

if [ -n "$label" ]; then
  run_ctest -j 2 -L "^$label\$" "$@"
  exit
fi
# By default what is known to hold on every machine. --all adds the real programs and the container engines; not all of
# those pass yet, see docs/status.md.
if [ "$all" = no ]; then
  run_ctest -j 2 -L '^(unit|programs|fuzz)$' -E '^(analyzer|unit\.oci|fuzz\.spec)' --repeat until-pass:3 "$@"
  exit
fi
run_ctest -j 2 "$@"
