// A shell script with a pipeline, a here-document, a trap, a background job and a subshell.
// expect: sorted: a b c
// expect: here: 42
// expect: background: 7
// expect: subshell in /
// expect: trap ran
// exit: 5
#include "check.h"

static const char script[] =
    "set -e\n"
    "echo sorted: $(printf 'c\\na\\nb\\n' | sort)\n"
    "value=42; cat <<END\n"
    "here: $value\n"
    "END\n"
    "trap 'echo trap ran' EXIT\n"
    "sh -c 'exit 7' & status=0; wait $! || status=$?; echo background: $status\n"
    "(cd /; echo subshell in $(pwd))\n"
    "echo text > file; test -s file; mv file moved\n"
    "exit 5\n";

int main(void) {
  execl("/bin/sh", "sh", "-c", script, NULL);
  CHECK(!"exec failed");
}
