#include "shim/cli/program_arguments.h"

#include <algorithm>
#include <string_view>

namespace mx::cli {

std::vector<std::string> take_program_arguments(int& argc, char** argv,
                                                std::initializer_list<std::string_view> flags) {
  int end = 1;
  while (end < argc && argv[end][0] == '-') {
    const std::string_view word = argv[end];
    if (word == "--") break;
    const bool alone = word == "--help" || word == "-h" || word.find('=') != word.npos ||
                       std::find(flags.begin(), flags.end(), word) != flags.end();
    const bool no_value = end + 1 < argc && std::string_view(argv[end + 1]) == "--";
    end += alone || no_value ? 1 : 2;
  }
  if (end > argc) end = argc;
  const int first = end < argc && std::string_view(argv[end]) == "--" ? end + 1 : end;
  std::vector<std::string> own(argv + first, argv + argc);
  argc = end;
  return own;
}

}  // namespace mx::cli
