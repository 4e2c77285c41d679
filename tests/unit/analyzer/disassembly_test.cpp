// Disassembly against objdump, over every function of real programs: addresses, lengths and call
// targets.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>

#include "analyzer/code/program.h"
#include "builder.h"

namespace mx::analyzer::test {
namespace {

struct Line {
  size_t size = 0;
  uint64_t call_target = 0;
};

// Address → length and target of a direct call, as objdump sees it.
std::map<uint64_t, Line> objdump(const std::string& path, const std::string& range = "") {
  std::map<uint64_t, Line> out;
  std::istringstream lines(run("objdump -d -w -z " + range + path));
  uint64_t start = 0;  // of prefixes that wait for their instruction
  for (std::string line; std::getline(lines, line);) {
    size_t colon = line.find(":\t");
    if (colon == std::string::npos || line[0] != ' ') continue;
    Line l;
    std::istringstream bytes(line.substr(colon + 2, line.find('\t', colon + 2) - colon - 2));
    for (std::string b; bytes >> b;) ++l.size;
    size_t text = line.find('\t', colon + 2);
    if (text == std::string::npos) continue;
    std::string code = line.substr(text + 1);
    size_t call = code.find("call ");  // prefixes may stand before it
    size_t operand = call == std::string::npos ? call : code.find_first_not_of(' ', call + 5);
    if (operand != std::string::npos && code[operand] != '*')
      l.call_target = std::strtoull(code.c_str() + operand, nullptr, 16);
    uint64_t address = std::stoull(line.substr(0, colon), nullptr, 16);
    // objdump shows a REX prefix that another one overrides on a line of its own; to the processor
    // it is one instruction.
    bool prefix_only =
        code.compare(0, 3, "rex") == 0 && code.find(' ') >= code.find_last_not_of(" \t");
    if (!prefix_only) {
      if (start) l.size += address - start;
      out[start ? start : address] = l;
      start = 0;
    } else if (!start) {
      start = address;
    }
  }
  return out;
}

// In a stripped file objdump runs on from data in .text and is out of step for some bytes: then it
// is asked again, from the start of the function.
void resynchronise(const std::string& path, const Function& f, std::map<uint64_t, Line>& truth) {
  auto in_step = [&](const Instruction& i) {
    auto it = truth.find(f.address_of(i));
    return it != truth.end() && it->second.size == i.size;
  };
  if (std::all_of(f.code.begin(), f.code.end(), in_step)) return;
  char range[80];
  std::snprintf(range, sizeof range, "--start-address=%#llx --stop-address=%#llx ",
                static_cast<unsigned long long>(f.address),
                static_cast<unsigned long long>(f.end()));
  for (auto& [address, line] : objdump(path, range)) truth[address] = line;
}

class Disassembly : public ::testing::TestWithParam<const char*> {};

TEST_P(Disassembly, AgreesWithObjdump) {
  auto p = Program::load(GetParam(), "");
  ASSERT_TRUE(p) << p.error().sentence;
  auto truth = objdump(GetParam());
  size_t all = 0, wrong = 0, calls = 0, wrong_calls = 0;
  for (const Function& f : p.value()->functions()) {
    resynchronise(GetParam(), f, truth);
    for (const Instruction& i : f.code) {
      ++all;
      auto it = truth.find(f.address_of(i));
      bool right = it != truth.end() && it->second.size == i.size;
      if (!right && wrong++ < 5)
        ADD_FAILURE() << f.name << " at " << std::hex << f.address_of(i) << " length "
                      << int{i.size};
      if (!right || i.flow != Flow::call) continue;
      ++calls;
      wrong_calls += it->second.call_target != f.target_of(i);
    }
  }
  std::printf("%s: %zu instructions, %zu differ; %zu calls, %zu differ\n", GetParam(), all, wrong,
              calls, wrong_calls);
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(wrong_calls, 0u);
  EXPECT_GT(all, 1000u);
}

// What Debian's base system and this project's own dependencies always have.
INSTANTIATE_TEST_SUITE_P(Real, Disassembly,
                         ::testing::Values("/bin/bash", "/bin/ls",
                                           "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
                                           "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
                                           "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                           "/usr/bin/redis-server", "/usr/sbin/nginx"));

}  // namespace
}  // namespace mx::analyzer::test
