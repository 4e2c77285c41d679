// Functions that wait on the stack while their code is exchanged, and whose frame is another one in
// the other version: every value must be the right one afterwards, or the transplant be refused
// with the reason.
#include <functional>

#include "transplant_fixture.h"

namespace mx::recovery::test {
namespace {

/// What programs/frames.c computes, once more: one
/// letter, its state, what each version makes of a digit.
struct Model {
  char letter;
  std::function<std::string(bool fresh, int digit)> step;
  std::function<int()> result;
};

std::string line(const char* name, int a, long b, int c, long d) {
  return std::string(name) + " " + std::to_string(a) + " " + std::to_string(b) + " " +
         std::to_string(c) + " " + std::to_string(d);
}

Model grows(int x) {
  struct State {
    int sum, rounds;
    long product;
    short last;
  };
  auto s = std::make_shared<State>(State{x, 0, x + 1, -1});
  auto step = [s](bool fresh, int digit) {
    s->rounds++;
    s->product = s->product * 3 + digit;
    s->sum += fresh ? 1000 : digit;
    std::string text = line("grows", s->sum, s->product, s->rounds, s->last);
    s->last = static_cast<short>(-digit);
    return text;
  };
  return {'g', step, [s] { return s->sum + s->rounds; }};
}

Model shrinks(int x) {
  struct State {
    int sum, rounds;
    long total;
  };
  auto s = std::make_shared<State>(State{x, 0, 7L * x});
  // The new version has fewer locals: what it computes is the one with 100.
  auto step = [s, x](bool fresh, int digit) {
    s->rounds++;
    s->total += digit;
    s->sum += digit + (fresh ? 100 : 0);
    return line("shrinks", s->sum, s->total, s->rounds, x);
  };
  return {'l', step, [s] { return s->sum; }};
}

Model reordered(int x) {
  struct State {
    int a, d;
    long b, c;
    bool n;
  };
  auto s = std::make_shared<State>(State{10 + x, 4, 40 + x, 90 + x, true});
  auto step = [s](bool fresh, int digit) {
    if (!fresh) s->a++;
    s->b += s->a;
    if (fresh) s->a++;
    s->d *= 2;
    s->c += digit + (fresh && s->n ? 1000 : 0);
    s->n = !s->n;
    return line("reordered", s->a, s->b, s->d, s->c);
  };
  return {'o', step, [s] { return s->a + (s->n ? 'n' : 'y'); }};
}

Model many(int x) {
  struct State {
    int i, j;
    unsigned char k;
    short l;
    long m;
    double n;
  };
  auto s = std::make_shared<State>(State{x, x + 1, 200, -3000, 1L << 40, 0.5});
  auto step = [s](bool fresh, int digit) {
    s->i += digit + (fresh ? 100 : 0);
    s->j += 2, s->k++, s->l--;
    s->m += s->j;
    s->n *= 2;
    return line("many", s->i, s->m + s->l, s->j + s->k, static_cast<long>(s->n * 4));
  };
  return {'m', step, [s] { return s->i; }};
}

Model registers(int x) {
  struct State {
    long a, b;
  };
  auto s = std::make_shared<State>(State{10 + x, 20 + x});
  auto step = [s](bool fresh, int digit) {
    s->a += digit + (fresh ? 1000 : 0);
    s->b += 2 * s->a;
    return line("registers", static_cast<int>(s->a), s->b, 0, 0);
  };
  return {'r', step, [s] { return static_cast<int>(s->a + s->b); }};
}

class EachFrame : public Transplant, public ::testing::WithParamInterface<Build> {
 protected:
  /// Sends `rounds` digits and compares what comes back.
  void rounds(ProgramUnderTest& p, const Model& m, bool fresh, int rounds) {
    for (int k = 0; k < rounds; ++k) {
      int digit = (3 * k + 2) % 10;
      std::string command = {m.letter, static_cast<char>('0' + digit)};
      EXPECT_EQ(p.ask(command), m.step(fresh, digit))
          << command << (fresh ? " new" : " old") << ", round " << k;
    }
  }
  bool unoptimised() const { return GetParam().flags.find("-O0") != std::string::npos; }
  /// These frames differ, and must be rebuilt.
  bool must_rebuild(const Model& m) const {
    if (m.letter == 'r') return GetParam().compiler == "gcc" && unoptimised();
    return unoptimised() || m.letter == 'm';
  }
  /// Is the code exchanged in both directions of time,
  /// in the middle of a loop? Counts what was rebuilt.
  void exchange(const Versions& v, Side side, const Model& m, int x, uint32_t& rebuilt);
};

void EachFrame::exchange(const Versions& v, Side side, const Model& m, int x, uint32_t& rebuilt) {
  bool own = side == Side::kNew;
  ProgramUnderTest p(own ? v.new_path : v.old_path), survivor(own ? v.old_path : v.new_path);
  ASSERT_NO_FATAL_FAILURE(own ? analyse(survivor, p) : analyse(p, survivor));
  p.start({m.letter, static_cast<char>('0' + x)});
  rounds(p, m, own, 2);
  Outcome o = apply(p, side, survivor);
  if (!o.ok()) {
    EXPECT_EQ(o.reason, Reason::kFrameDiffers) << left(o);
    EXPECT_FALSE(must_rebuild(m)) << left(o);
    rounds(p, m, own, 3);  // as if nothing had been tried
    return;
  }
  rebuilt += o.frames_rebuilt;
  if (must_rebuild(m)) {
    EXPECT_GE(o.frames_rebuilt, 1u) << left(o);
  }
  rounds(p, m, !own, 3);
  o = revert(p, side, survivor);
  ASSERT_TRUE(o.ok()) << left(o);
  bool back = o.frames_kept == 0;
  rounds(p, m, back == own, 2);
  // Taken back before the call returns, and put in once more while the frame is on its way out.
  ASSERT_TRUE((o = apply(p, side, survivor)).ok()) << left(o);
  ASSERT_TRUE((o = revert(p, side, survivor)).ok()) << left(o);
  EXPECT_EQ(o.frames_kept == 0, back);
  rounds(p, m, back == own, 1);
  ASSERT_TRUE((o = apply(p, side, survivor)).ok()) << left(o);
  rounds(p, m, !own, 1);
  ASSERT_TRUE((o = revert(p, side, survivor)).ok()) << left(o);
  ASSERT_TRUE((o = apply(p, side, survivor)).ok()) << left(o);
  rounds(p, m, !own, 2);
  p.send("zz");
  std::string started = {m.letter, static_cast<char>('0' + x)};
  EXPECT_EQ(p.line(), started + " " + std::to_string(m.result()));
  EXPECT_EQ(p.ask("?1"), "-1");
}

TEST_P(EachFrame, ValuesAreRightAfterTheReturn) {
  Versions v(folder_, "frames.c", GetParam());
  {
    ProgramUnderTest o(v.old_path), n(v.new_path);
    ASSERT_NO_FATAL_FAILURE(analyse(v, o, n));
  }
  uint32_t rebuilt = 0;
  for (Side side : {Side::kOld, Side::kNew})
    for (auto make : {grows, shrinks, reordered, many, registers}) {
      SCOPED_TRACE(std::string(1, make(5).letter) +
                   (side == Side::kOld ? " old process" : " new process"));
      ASSERT_NO_FATAL_FAILURE(exchange(v, side, make(5), 5, rebuilt));
    }
  EXPECT_GE(rebuilt, unoptimised() ? 8u : 2u);
  RecordProperty("rebuilt", static_cast<int>(rebuilt));
}

TEST_P(EachFrame, AnExceptionPassesAFrameThatWaitsToBeRebuilt) {
  Versions v(folder_, "passing.cpp", GetParam());
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  uint32_t rebuilt = 0;
  for (char last : {'0', '4'}) {
    old_one.start("e2");
    Outcome o = apply(old_one, Side::kOld, new_one);
    ASSERT_TRUE(o.ok()) << left(o);
    EXPECT_GE(o.frames_moved, 1u) << left(o);
    rebuilt += o.frames_rebuilt;
    int a = 6 + (last == '0' ? 100000 * (2 + 'y') : 3 * 4 + 52 + 1000);
    EXPECT_EQ(old_one.ask(std::string("y") + last), "outermost " + std::to_string(a) + " 18 54 162")
        << left(o);
    EXPECT_EQ(old_one.line(), "e2 " + std::to_string(a + 18 + 54 + 162));
    o = revert(old_one, Side::kOld, new_one);
    ASSERT_TRUE(o.ok()) << left(o);
    EXPECT_EQ(o.frames_kept, 0u);
  }
  if (unoptimised()) {
    EXPECT_EQ(rebuilt, 2u);
  }
}

TEST_P(EachFrame, AFrameWithALandingPadIsRefused) {
  Versions v(folder_, "passing.cpp", GetParam());
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  old_one.start("c2");
  EXPECT_EQ(old_one.ask("c3"), "careful 5");
  Outcome o = apply(old_one, Side::kOld, new_one);
  EXPECT_EQ(o.reason, Reason::kFrameDiffers) << left(o);
  EXPECT_NE(o.sentence.find("careful"), std::string::npos) << left(o);
  EXPECT_EQ(old_one.ask("c4"), "careful 9");
  old_one.send("zz");
  EXPECT_EQ(old_one.line(), "c2 9");
  EXPECT_EQ(old_one.ask("d0"), "2");
}

TEST_P(EachFrame, WhatCannotBeRebuiltIsRefusedByName) {
  Versions v(folder_, "frames.c", GetParam());
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  struct Case {
    const char *start, *go_on, *answer, *variable;
  };
  for (const Case& c :
       {Case{"b5", "b2", "buffer 7 0 0 0", ""}, {"v5", "v2", "newcomer 7 0 0 0", "`before`"}}) {
    old_one.start(c.start);
    Outcome o = apply(old_one, Side::kOld, new_one);
    EXPECT_EQ(o.reason, Reason::kFrameDiffers) << left(o);
    if (unoptimised()) {
      EXPECT_NE(o.sentence.find(c.variable), std::string::npos) << left(o);
    }
    EXPECT_EQ(old_one.ask(c.go_on), c.answer);
    old_one.send("zz");
    EXPECT_EQ(old_one.line(), std::string(c.start) + " 7");
  }
}

TEST_P(EachFrame, OtherParametersAreCalledByTheirOwnVersionOnly) {
  Versions v(folder_, "parameters.c", GetParam());
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  EXPECT_EQ(old_one.ask("p3"), "32");
  Outcome o = apply(old_one, Side::kOld, new_one);
  ASSERT_TRUE(o.ok()) << left(o);
  EXPECT_EQ(old_one.ask("p3"), "57") << left(o);
  EXPECT_EQ(old_one.ask("k3"), "32") << left(o);
  EXPECT_EQ(old_one.ask("w0"), "11") << left(o);
  EXPECT_EQ(old_one.ask("t1"), "9") << left(o);
  EXPECT_NE(left(o).find("wide: its parameters differ: (int) in the old version, (long"),
            std::string::npos)
      << left(o);
  EXPECT_NE(left(o).find("in the new one, and `same_caller`, which keeps its code, calls it"),
            std::string::npos)
      << left(o);
  EXPECT_NE(left(o).find("tabled: its parameters differ"), std::string::npos) << left(o);
  ASSERT_TRUE((o = revert(old_one, Side::kOld, new_one)).ok()) << left(o);
  EXPECT_EQ(old_one.ask("p3"), "32");
  EXPECT_EQ(old_one.ask("k3"), "32");
}

std::vector<Build> builds() {
  std::vector<Build> out;
  for (const char* compiler : {"gcc", "clang"})
    for (const char* level : {"-O0", "-O1", "-O2"})
      for (const char* kind : {"-fPIE -pie", "-no-pie"})
        out.push_back({compiler, std::string(level) + " " + kind});
  return out;
}

INSTANTIATE_TEST_SUITE_P(All, EachFrame, ::testing::ValuesIn(builds()), [](const auto& info) {
  std::string name = info.param.compiler + info.param.flags;
  std::erase_if(name, [](char c) { return !isalnum(static_cast<unsigned char>(c)); });
  return name;
});

}  // namespace
}  // namespace mx::recovery::test
