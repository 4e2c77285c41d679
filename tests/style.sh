#!/bin/sh
# What the sources of mx look like: formatted by clang-format (.clang-format), no file above 600 lines, no small program
# above 60. Prints what does not hold; exit status 0 only if all does.
set -u

cd "$(dirname "$0")/.."
sources() {
  find analyzer bench examples hooks oci packaging recovery shim tests \( -name node_modules -o -name build \) -prune -o \
    -type f \( -name '*.cpp' -o -name '*.hpp' -o -name '*.h' -o -name '*.c' \) -print
}
failed=0

if ! sources | xargs -P 2 -n 100 clang-format --dry-run -Werror; then
  echo "style: clang-format -i mends these"
  failed=1
fi

# longer_than LINES: of the files named on standard input.
longer_than() { xargs wc -l | awk -v most="$1" '$2 != "total" && $1 > most { print "style: " $2 ": " $1 " lines, at most " most; n++ } END { exit n > 0 }'; }
(sources; find analyzer bench examples hooks oci packaging recovery shim tests -type f \( -name '*.py' -o -name '*.sh' -o -name '*.S' \)) | longer_than 600 || failed=1
find tests/programs -name '*.c' | longer_than 60 || failed=1

exit $failed
