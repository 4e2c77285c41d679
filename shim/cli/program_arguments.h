// Where mx's own options end and the program's arguments begin.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace mx::cli {

/// Takes the program's arguments off the command line of a verb: all from
/// the first word on that is neither an option nor an option's value, or all
/// after "--". They are the program's, byte by byte: no parser of ours may
/// look at them. `flags`: the options that take no value, beside --help.
std::vector<std::string> take_program_arguments(int& argc, char** argv,
                                                std::initializer_list<std::string_view> flags);

}  // namespace mx::cli
