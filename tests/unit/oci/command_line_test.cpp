#include "oci/cli/command_line.hpp"

#include <gtest/gtest.h>

namespace mx::oci {
namespace {

TEST(CommandLine, ReadsGlobalFlagsBeforeTheVerb) {
  const auto line = parse_command_line({"--root", "create", "--log=/l", "--log-format", "json",
                                        "--systemd-cgroup", "create", "--bundle", "/b", "id"});
  EXPECT_EQ(line.verb, "create");
  EXPECT_EQ(line.global_value("root"), "create");  // a value is no verb
  EXPECT_EQ(line.global_value("log"), "/l");
  EXPECT_EQ(line.value("bundle"), "/b");
  EXPECT_EQ(line.id(), "id");
}

TEST(CommandLine, IdNeedNotBeLast) {
  const auto line = parse_command_line({"create", "id", "-b", "/b", "--no-pivot", "--pid-file=/p"});
  EXPECT_EQ(line.id(), "id");
  EXPECT_EQ(line.value("bundle"), "/b");
  EXPECT_TRUE(line.has("no-pivot"));
  EXPECT_EQ(line.value("pid-file"), "/p");
}

TEST(CommandLine, FlagsOfExecsCommandAreItsOwn) {
  const auto line =
      parse_command_line({"exec", "-t", "-u", "5", "id", "ls", "-l", "--process", "x"});
  EXPECT_TRUE(line.has("tty"));
  EXPECT_EQ(line.value("user"), "5");
  EXPECT_FALSE(line.has("process"));
  EXPECT_EQ(line.positional, (std::vector<std::string>{"id", "ls", "-l", "--process", "x"}));
}

TEST(CommandLine, ReplacesAFlagWhereItStands) {
  const auto two = parse_command_line({"--root", "/r", "exec", "-p", "/old", "-d", "id"});
  EXPECT_EQ(two.words_with("process", "/new"),
            (std::vector<std::string>{"--root", "/r", "exec", "--process=/new", "-d", "id"}));
  const auto none = parse_command_line({"exec", "id", "ls"});
  EXPECT_EQ(none.words_with("process", "/new"),
            (std::vector<std::string>{"exec", "--process=/new", "id", "ls"}));
}

TEST(CommandLine, OddInputIsKept) {
  EXPECT_EQ(parse_command_line({}).verb, "");
  EXPECT_EQ(parse_command_line({"--log"}).verb, "");
  EXPECT_EQ(parse_command_line({"delete", "--", "-x"}).id(), "-x");
  EXPECT_EQ(parse_command_line({"kill", "-a", "id", "9"}).positional.size(), 2u);
}

TEST(CommandLine, IdsCannotLeaveTheStateFolder) {
  for (const char* bad : {"", ".", "..", "a/b", "../x", "a b", "a\n"})
    EXPECT_FALSE(is_valid_id(bad));
  for (const char* good : {"a", "c.1_+-", "0123"}) EXPECT_TRUE(is_valid_id(good));
}

}  // namespace
}  // namespace mx::oci
