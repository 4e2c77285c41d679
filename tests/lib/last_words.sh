#!/bin/sh
# What each failed test of the last ctest run said last, for whoever sees only the end of a long log.
#
#   tests/lib/last_words.sh BUILD-DIR
set -eu

folder=$1/Testing/Temporary
if [ ! -s "$folder/LastTestsFailed.log" ]; then exit 0; fi
head -n 6 "$folder/LastTestsFailed.log" | while IFS=: read -r _ name; do
  echo "--- $name said last:"
  # A test that was tried again stands there more than once.
  awk -v name="$name" '
    /^[0-9]+\/[0-9]+ Testing: / { mine = ($3 == name); if (mine) said = ""; next }
    /^<end of output>$/ { mine = 0 }
    mine && inside { said = said $0 "\n" }
    { inside = mine && (inside || /^-+$/) }
    END { printf "%s", said }' "$folder/LastTest.log" | tail -n 8 | cut -c 1-300
done
echo "failed: $(cut -d : -f 2- "$folder/LastTestsFailed.log" | paste -sd ' ')"
