// The command `mx analyze OLD NEW`.
#pragma once

namespace mx::analyzer {

// argv[0] is the command's name; the rest are its arguments. Writes to stdout, problems to stderr.
// Returns the exit status: 0 done, 2 bad arguments or a file that cannot be analysed (one line says
// why).
int analyze_main(int argc, char** argv);

}  // namespace mx::analyzer
