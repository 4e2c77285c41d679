// The verbs of `mx`. Each takes its own arguments (argv[0] is the verb) and returns the exit status.
#pragma once

namespace mx::cli {

int run(int argc, char** argv);

}  // namespace mx::cli
