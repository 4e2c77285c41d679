#include "shim/monitor/rules.h"

#include <gtest/gtest.h>

#include "shim/monitor/error.h"

namespace mx::monitor {
namespace {

std::string error_of(const std::string& text) {
  try {
    Rules::parse(text, "r");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Rules, MatchCallKindArgumentAndText) {
  const Rules r = Rules::parse(
      "# greeting\n\nignore write bytes with Server: a\nignore lseek argument number 1\nignore * "
      "result\n",
      "r");
  EXPECT_EQ(r.size(), 3u);
  EXPECT_TRUE(r.expected(
      {{"call", "write"}, {"kind", "bytes"}, {"leader", "x Server: a b"}, {"follower", ""}}));
  EXPECT_FALSE(
      r.expected({{"call", "write"}, {"kind", "bytes"}, {"leader", "x"}, {"follower", "y"}}));
  EXPECT_FALSE(r.expected(
      {{"call", "writev"}, {"kind", "bytes"}, {"leader", "Server: a"}, {"follower", ""}}));
  EXPECT_TRUE(r.expected({{"call", "lseek"}, {"kind", "argument"}, {"argument", 1}}));
  EXPECT_FALSE(r.expected({{"call", "lseek"}, {"kind", "argument"}, {"argument", 2}}));
  EXPECT_TRUE(r.expected({{"call", "chdir"}, {"kind", "result"}}));
  EXPECT_FALSE(Rules().expected({{"call", "chdir"}, {"kind", "result"}}));
}

TEST(Rules, ErrorsNameTheLine) {
  EXPECT_EQ(error_of("ignore write bytes\nallow x y\n").substr(0, 4), "r:2:");
  EXPECT_NE(error_of("ignore wrote bytes").find("no system call 'wrote'"), std::string::npos);
  for (const char* bad :
       {"ignore", "ignore write", "ignore write colour", "ignore write bytes with",
        "ignore lseek argument number 9", "ignore lseek argument number",
        "ignore write result number 1", "ignore write bytes 3"})
    EXPECT_EQ(error_of(bad).substr(0, 4), "r:1:") << bad;
  EXPECT_THROW(Rules::read("/nonexistent/rules"), Error);
}

}  // namespace
}  // namespace mx::monitor
