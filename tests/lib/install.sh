#!/bin/sh
# Installs what is missing of the given groups of tests/packages.txt, from the machine's own mirrors, without starting any
# service. Says nothing when nothing is missing. Needs root only when something is.
#
#   tests/lib/install.sh CACHE-DIR GROUP…
set -eu

here=$(dirname "$0")
cache=$1
shift

wanted=""
for group in "$@"; do
  wanted="$wanted $(awk -v group="$group" '$1 == group { print $2 }' "$here/../packages.txt")"
done
missing=""
for package in $wanted; do
  if ! dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii'; then missing="$missing $package"; fi
done
if [ -z "$missing" ]; then exit 0; fi

echo "installing:$missing"
if [ "$(id -u)" != 0 ]; then
  echo "install: run this as root, or install these packages first" >&2
  exit 1
fi

policy=/usr/sbin/policy-rc.d   # status 101 keeps every service from starting; what was there comes back
kept=$policy.before-mx         # it exists already when an earlier run was killed
restore() {
  if [ -e "$kept" ]; then mv "$kept" "$policy"; else rm -f "$policy"; fi
}
trap restore EXIT
trap 'exit 130' INT TERM
if [ -e "$policy" ] && [ ! -e "$kept" ]; then mv "$policy" "$kept"; fi
printf '#!/bin/sh\nexit 101\n' > "$policy"
chmod 755 "$policy"

APT_CONFIG=$("$here/private-apt.sh" "$cache/apt")
export APT_CONFIG DEBIAN_FRONTEND=noninteractive
log=$cache/install.log
# shellcheck disable=SC2086  # a list of words
if ! apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $missing > "$log" 2>&1; then
  cat "$log" >&2
  echo "install: apt-get failed, see above" >&2
  exit 1
fi
apt-get clean
