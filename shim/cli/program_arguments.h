// Where mx's own options end and the program's arguments begin.
#pragma once
#include <string>
#include <vector>

namespace mx::cli {

/// Takes the program's arguments off the command line of a verb: all from the first word on that is neither an option nor
/// an option's value, or all after "--". They are the program's, byte by byte: no parser of ours may look at them.
/// REQUIRES: every option but --help takes a value.
std::vector<std::string> take_program_arguments(int& argc, char** argv);

}  // namespace mx::cli
