#!/bin/sh
# Makes a private apt configuration and prints its path, for use as APT_CONFIG:
#
#   APT_CONFIG=$(tests/lib/private-apt.sh DIR) apt-get source redis
#
# It holds the machine's own mirrors, with source packages switched on, and its own package lists.
# /etc/apt and /var/lib/apt stay untouched. The lists are fetched again after a day, or if a second argument, "again", asks
# for it. Tests call this side by side: one at a time is in here, and files are replaced, never half written.
set -eu

dir=$1
mkdir -p "$dir/sources.list.d" "$dir/lists/partial" "$dir/archives/partial"
dir=$(cd "$dir" && pwd)
exec 9> "$dir/lock"
flock 9

# One-line style: "deb X" becomes "deb X" and "deb-src X".
one_line() { sed -n -e 's/^[[:space:]]*deb[[:space:]]/deb /p' "$1" | while read -r line; do
  printf '%s\ndeb-src %s\n' "$line" "${line#deb }"; done; }
# deb822 style: a stanza says "Types: deb".
deb822() { sed -e 's/^Types:.*/Types: deb deb-src/' "$1"; }

only_debian() { grep -qi 'debian' "$1"; }  # a foreign mirror has nothing that the tests need

# Standard input becomes the file, at once: an apt that reads it now sees all of it.
becomes() { cat > "$1.new" && mv "$1.new" "$1"; }

eval "$(apt-config shell LIST Dir::Etc::sourcelist/f PARTS Dir::Etc::sourceparts/d)"
if [ -f "$LIST" ]; then one_line "$LIST"; fi | becomes "$dir/sources.list"
for file in "$PARTS"*.list "$PARTS"*.sources; do
  if [ ! -f "$file" ] || ! only_debian "$file"; then continue; fi
  case $file in
    *.list) one_line "$file" ;;
    *) deb822 "$file" ;;
  esac | becomes "$dir/sources.list.d/$(basename "$file")"
done

becomes "$dir/apt.conf" <<CONF
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "$dir/sources.list.d";
Dir::State::lists "$dir/lists";
Dir::Cache "$dir";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Cache::archives "$dir/archives";
APT::Sandbox::User "root";
Acquire::Retries "3";
Acquire::Languages "none";
CONF

if [ "${2:-}" = again ] || [ -z "$(find "$dir/updated" -mtime -1 2>/dev/null)" ]; then
  if ! APT_CONFIG=$dir/apt.conf apt-get update > "$dir/update.log" 2>&1; then
    cat "$dir/update.log" >&2
    echo "private-apt: the package lists cannot be fetched: see above" >&2
    exit 1
  fi
  touch "$dir/updated"
fi
echo "$dir/apt.conf"
