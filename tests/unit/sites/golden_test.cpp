// golden/NAME.S, assembled, must give golden/NAME.txt, byte by byte.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_SOURCES))
    if (entry.path().extension() == ".S") names.push_back(entry.path().stem());
  return names;
}

std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return "popen failed";
  std::string output;
  char buffer[4096];
  while (const size_t got = fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, got);
  const int status = pclose(pipe);
  return status == 0 ? output : "status " + std::to_string(status);
}

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, TableIsAsExpected) {
  const std::string name = GetParam();
  const std::string expected = contents(std::string(GOLDEN_SOURCES) + "/" + name + ".txt");
  ASSERT_FALSE(expected.empty());
  EXPECT_EQ(output_of(std::string(MX_SITES " ") + GOLDEN_OBJECTS "/" + name + ".so"), expected);
  const bool accepts = expected.find("rewrite") != std::string::npos;
  EXPECT_EQ(accepts, name.starts_with("accept_")) << "the name says what it is";
}

INSTANTIATE_TEST_SUITE_P(Sites, Golden, testing::ValuesIn(golden_names()),
                         [](const auto& info) { return info.param; });

TEST(GoldenFiles, RefusedCasesAreTestedAsOften) {
  size_t accepted = 0, refused = 0;
  for (const std::string& name : golden_names())
    ++(name.starts_with("accept_") ? accepted : refused);
  EXPECT_GE(refused, accepted);
  EXPECT_GE(accepted, 10u);
}

TEST(Tool, SaysWhyAFileIsNoElf) {
  EXPECT_NE(output_of(MX_SITES " /etc/passwd 2>/dev/null"), "");
  EXPECT_NE(output_of(MX_SITES " /etc/passwd 2>&1 || true").find("not an ELF file"),
            std::string::npos);
}

}  // namespace
