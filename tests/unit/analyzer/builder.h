// Builds pairs of programs in a temporary folder and reads the truth about them with tools that are
// not ours.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace mx::analyzer::test {

// A folder that is removed at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Toolchain {
  std::string compiler;  // gcc, g++, clang, clang++
  std::string flags;     // "-O2 -no-pie"
  std::string label() const { return compiler + " " + flags; }
};

void write_file(const std::string& path, const std::string& text);
std::string read_file(const std::string& path);
// Runs a shell command; returns its standard output. Fails the test (throws) when it exits
// non-zero.
std::string run(const std::string& command);

struct Pair {
  std::string old_path, new_path;
};
// Compiles `source` twice, the second time with -DNEW_VERSION, always with -g.
Pair build_pair(const TempFolder& folder, const std::string& source, const Toolchain& tools);
// Copies without symbols and debug information.
Pair stripped(const Pair& pair);

struct TrueFunction {
  uint64_t address = 0, size = 0;
  std::string name;
};
// Function symbols with code, from `readelf`; names of one address are kept apart.
std::vector<TrueFunction> true_functions(const std::string& path);
// Addresses → "file:line", from `addr2line`.
std::map<uint64_t, std::string> true_lines(const std::string& path,
                                           const std::set<uint64_t>& addresses);

}  // namespace mx::analyzer::test
