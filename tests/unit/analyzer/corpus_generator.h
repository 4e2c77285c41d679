// Writes C programs of many functions for ground truth. One source holds both versions:
// -DNEW_VERSION is the update.
#pragma once

#include <set>
#include <string>

namespace mx::analyzer::test {

struct Generated {
  std::string source;
  std::set<std::string> edited, added, removed;  // names of functions
};

// The same seed gives the same program.
Generated generate_program(unsigned seed, int functions);

}  // namespace mx::analyzer::test
