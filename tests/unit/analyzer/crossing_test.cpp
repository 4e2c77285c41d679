// Whether and how frames that wait at a call become frames of the other version.
#include <gtest/gtest.h>

#include <algorithm>

#include "analyzer/analysis.h"
#include "builder.h"

namespace mx::analyzer::test {
namespace {

constexpr const char* kSource = R"(
__attribute__((noinline)) int waits(int x) { asm volatile("" : "+r"(x)); return x; }
__attribute__((noinline)) void takes(long *p) { asm volatile("" : : "r"(p) : "memory"); }
#ifdef NEW_VERSION
#define N(x, y) x
#define WITH , int y
#define GIVEN , 3
#else
#define N(x, y) y
#define WITH
#define GIVEN
#endif

__attribute__((noinline)) int swapped(int x) {
  register long a asm(N("r12", "rbx")) = x;
  register long b asm(N("rbx", "r12")) = x + 1;
  a += waits(x);
  return (int)(a * 3 + b + N(1, 2));
}
__attribute__((noinline)) int more_locals(int x) {
  N(volatile long more; volatile long yet_more;, )
  volatile int kept = x;
  int got = waits(x);
  N(more = got; yet_more = more * 2;, )
  return kept + got + (int)N(yet_more, 1);
}
__attribute__((noinline)) int dead_afterwards(int x) {
  N(volatile int before = x;, )
  volatile int kept = x * 2;
  N(kept += before;, )
  int got = waits(x);
  return kept + got + N(5, 6);
}
__attribute__((noinline)) int newcomer(int x) {
  N(volatile int before = x * 7;, )
  volatile int kept = x;
  int got = waits(x);
  return kept + got N(+ before, );
}
__attribute__((noinline)) int escapes(int x) {
  N(volatile long more; volatile long yet_more; volatile long third;, )
  long array[3] = {x, x + 1, x + 2};
  takes(array);
  int got = waits(x);
  N(more = got; yet_more = more; third = yet_more;, )
  return (int)(array[0] + array[2]) + got + (int)N(third, 1);
}
__attribute__((noinline)) int parameters(int x WITH) { return waits(x) N(+ y, ); }
__attribute__((noinline)) int calls_it(int x) { return parameters(x GIVEN) + 1; }
int main(int argc, char **argv) {
  return swapped(argc) + more_locals(argc) + dead_afterwards(argc) + newcomer(argc) + escapes(argc) + calls_it(argc);
}
)";

class Crossings : public ::testing::Test {
 protected:
  void compare(const Toolchain& tools, bool bare = false) {
    write_file(folder_ / "crossings.c", kSource);
    Pair pair = build_pair(folder_, folder_ / "crossings.c", tools);
    if (bare) pair = {pair.old_path + ".s", pair.new_path + ".s"}, strip(pair);
    Options o;
    o.old_path = pair.old_path, o.new_path = pair.new_path;
    auto a = analyze(o);
    ASSERT_TRUE(a) << a.error().sentence;
    analysis_ = a.value();
  }
  // Without debug information, with symbols.
  void strip(const Pair& pair) {
    for (const std::string& path : {pair.old_path, pair.new_path})
      run("strip -g -o " + path + " " + path.substr(0, path.size() - 2));
  }
  const FunctionResult& result(const std::string& name) const {
    for (const FunctionResult& r : analysis_->functions)
      if (analysis_->name_of(r) == name) return r;
    throw std::runtime_error("no " + name);
  }
  // The last call of the function: the one of `waits`.
  const CallSite& site(const std::string& name) const {
    const auto& sites = result(name).call_sites;
    if (sites.empty()) throw std::runtime_error("no call in " + name);
    return *std::max_element(sites.begin(), sites.end(), [](const CallSite& a, const CallSite& b) {
      return a.old_return < b.old_return;
    });
  }
  static bool moves(const Crossing& c, const std::string& variable, PlaceKind from, PlaceKind to) {
    return std::any_of(c.moves.begin(), c.moves.end(), [&](const ValueMove& m) {
      return m.variable == variable && m.from_kind == from && m.to_kind == to;
    });
  }
  TempFolder folder_;
  std::shared_ptr<const Analysis> analysis_;
};

TEST_F(Crossings, EqualFramesWithOtherRegistersAreRebuilt) {
  ASSERT_NO_FATAL_FAILURE(compare({"gcc", "-O0"}));
  const CallSite& s = site("swapped");
  EXPECT_TRUE(s.frame_same);
  for (const Crossing* c : {s.old_to_new.get(), s.new_to_old.get()}) {
    EXPECT_EQ(c->change, FrameChange::rebuild) << c->why_not;
    EXPECT_TRUE(moves(*c, "a", PlaceKind::reg, PlaceKind::reg));
    EXPECT_TRUE(moves(*c, "b", PlaceKind::reg, PlaceKind::reg));
  }
}

// gcc keeps such variables where it likes when it optimises, and its DWARF does not tell.
TEST_F(Crossings, ARegisterThatMayNotBeTheRightOneIsNotBelieved) {
  ASSERT_NO_FATAL_FAILURE(compare({"gcc", "-O2"}));
  const CallSite& s = site("swapped");
  EXPECT_EQ(s.old_to_new->change, FrameChange::no);
  EXPECT_EQ(s.new_to_old->change, FrameChange::no);
}

TEST_F(Crossings, WithoutDwarfFramesAreComparedByTheirLayout) {
  ASSERT_NO_FATAL_FAILURE(compare({"gcc", "-O0"}, true));
  EXPECT_EQ(site("swapped").old_to_new->change, FrameChange::same);
  EXPECT_EQ(site("more_locals").old_to_new->change, FrameChange::no);
  EXPECT_EQ(result("parameters").parameters_differ, "");
}

TEST_F(Crossings, MoreLocals) {
  for (const char* compiler : {"gcc", "clang"})
    for (const char* level : {"-O0", "-O1", "-O2"})
      for (const char* kind : {" -fPIE -pie", " -no-pie"}) {
        if (std::string(compiler) == "clang" && std::string(level) != "-O0")
          continue;  // it keeps other values there
        ASSERT_NO_FATAL_FAILURE(compare({compiler, std::string(level) + kind}));
        const CallSite& s = site("more_locals");
        for (const Crossing* c : {s.old_to_new.get(), s.new_to_old.get()}) {
          EXPECT_NE(c->change, FrameChange::no) << compiler << level << kind << ": " << c->why_not;
          if (std::string(level) == "-O0") {
            EXPECT_TRUE(moves(*c, "kept", PlaceKind::memory, PlaceKind::memory))
                << compiler << kind;
          }
        }
      }
}

TEST_F(Crossings, WhatIsNotReadAnyMoreNeedNotBeKnown) {
  ASSERT_NO_FATAL_FAILURE(compare({"gcc", "-O0"}));
  EXPECT_NE(site("dead_afterwards").old_to_new->change, FrameChange::no)
      << site("dead_afterwards").old_to_new->why_not;
  EXPECT_EQ(site("newcomer").old_to_new->change, FrameChange::no);
  EXPECT_NE(site("newcomer").old_to_new->why_not.find("`before`"), std::string::npos)
      << site("newcomer").old_to_new->why_not;
  EXPECT_NE(site("newcomer").new_to_old->change, FrameChange::no)
      << site("newcomer").new_to_old->why_not;
}

TEST_F(Crossings, WhoseAddressIsTakenStays) {
  for (const char* compiler : {"gcc", "clang"}) {
    ASSERT_NO_FATAL_FAILURE(compare({compiler, "-O0"}));
    const Crossing& c = *site("escapes").old_to_new;
    EXPECT_EQ(c.change, FrameChange::no);
    EXPECT_NE(c.why_not.find("`array`, whose address is taken"), std::string::npos) << c.why_not;
  }
}

TEST_F(Crossings, OtherParametersAreNoticed) {
  for (const char* compiler : {"gcc", "clang"})
    for (const char* level : {"-O0", "-O2"}) {
      ASSERT_NO_FATAL_FAILURE(compare({compiler, level}));
      EXPECT_EQ(result("parameters").parameters_differ,
                "its parameters differ: (int) in the old version, (int, int) in the new one")
          << compiler << level;
      EXPECT_EQ(result("more_locals").parameters_differ, "") << compiler << level;
      EXPECT_NE(result("parameters").old_to_new.possible, Possible::no);
    }
}

}  // namespace
}  // namespace mx::analyzer::test
