// A program of which the new version crashes at one word (faulty.c), in both root trees; the
// container m reads its lines from $W/say and writes its answers to $W/m.out. To be used over
// Workshop or what is derived from it.
#pragma once

#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {

template <typename Base>
class WithFaulty : public Base {
 protected:
  void add_faulty() {
    const std::string compile = "gcc -O1 " MX_SOURCE "/tests/integration/engines/support/faulty.c";
    ok(compile + " -o $W/old/bin/faulty && " + compile + " -DBROKEN -o $W/new/bin/faulty");
    ok("for v in old new; do for f in $(ldd $W/$v/bin/faulty | grep -o '/lib[^ ]*' | sort -u); do "
       "mkdir -p $W/$v$(dirname $f); cp -L $f $W/$v$f; done; done");
  }

  // One line, one answer.
  void say(const std::string& line) {
    ok("echo " + line + " > $W/say");
    this->expect_lines(
        "m", "^line " + std::to_string(++said_) + ", " + std::to_string(line.size()) + " letters$",
        1);
  }

  // Checkpoints are made while the program does something.
  bool talk_until_checkpoints() {
    for (int i = 0; i < 200; ++i) {
      say("word");
      if (shell("$MX status --json $(ls $W/state) | jq -e '.checkpoints | .old.asleep and "
                ".new.asleep'")
              .status == 0)
        return true;
    }
    return false;
  }

  // The new version crashes, its folder names the place, and each time the old version's code
  // carries it over.
  void expect_carried_over(int times) {
    this->expect_lines("m", "^ready$", 1);
    for (int crashes = 1; crashes <= times; ++crashes) {
      ASSERT_TRUE(talk_until_checkpoints()) << ok("$MX status --json $(ls $W/state)");
      say("boom");
      ASSERT_TRUE(wait_for("[ $(grep -c '\"recovery\"' $W/state/*/out/report.jsonl) = " +
                           std::to_string(crashes) + " ]"))
          << this->report();
      const std::string last = "grep '\"recovery\"' $W/state/*/out/report.jsonl | tail -1 | jq -r ";
      EXPECT_EQ(ok(last + ".version,.result"), "new\nresynchronised") << this->report();
      EXPECT_NE(ok(last + ".functions[]").find("measure"), std::string::npos) << this->report();
      const std::string folder =
          "$W/state/*/out/" +
          ok("grep '\"crash\"' $W/state/*/out/report.jsonl | tail -1 | jq -r .directory");
      EXPECT_TRUE(wait_for("grep -q measure " + folder + "/crash.txt")) << ok("ls " + folder);
    }
    say("last");
    EXPECT_EQ(this->report().find("\"dropped\""), std::string::npos) << this->report();
  }

  int said_ = 0;
};

}  // namespace mx::engines
