// Starts the old version of a small program, brings the new code in while it waits for a command,
// looks whether it behaves as the new one on the old state, takes the code out again and looks
// whether it is the old one again; and the other way round.
#include "transplant_fixture.h"

namespace mx::recovery::test {
namespace {

class EachBuild : public Transplant, public ::testing::WithParamInterface<Build> {};

// What each version answers, on the state that the commands before have made.
TEST_P(EachBuild, NewCodeRunsOnTheOldStateAndBack) {
  Versions v(folder_, "work.c", GetParam());
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  EXPECT_EQ(old_one.ask("a1"), "11");
  EXPECT_EQ(old_one.ask("p5"), "1005");
  EXPECT_EQ(old_one.ask("t1"), "4");
  EXPECT_EQ(old_one.ask("s3"), "1040");
  EXPECT_EQ(old_one.ask("q7"), "4");
  EXPECT_EQ(old_one.ask("c2"), "3");
  for (int round = 0; round < 2; ++round) {
    Outcome o = apply(old_one, Side::kOld, new_one);
    ASSERT_TRUE(o.ok()) << left(o);
    int total = 11 + 101 * round, locals = 4 + 11 * round;
    EXPECT_EQ(old_one.ask("a1"), std::to_string(total + 100)) << left(o);
    EXPECT_EQ(old_one.ask("h0"), "1");
    EXPECT_EQ(old_one.ask("p5"), "995") << left(o);
    EXPECT_EQ(old_one.ask("s0"), std::to_string(total + 101)) << left(o);
    EXPECT_EQ(old_one.ask("s3"), "1043");
    EXPECT_EQ(old_one.ask("s5"), "65");
    EXPECT_EQ(old_one.ask("s7"), "87");
    EXPECT_EQ(old_one.ask("h0"), "2");
    EXPECT_EQ(old_one.ask("t1"), std::to_string(locals + 10)) << left(o);
    EXPECT_EQ(old_one.ask("q7"), "9") << left(o);
    EXPECT_EQ(old_one.ask("c2"), "115") << left(o);
    o = revert(old_one, Side::kOld, new_one);
    ASSERT_TRUE(o.ok()) << left(o);
    EXPECT_EQ(o.frames_kept, 0u);
    EXPECT_EQ(old_one.ask("a1"), std::to_string(total + 101));
    EXPECT_EQ(old_one.ask("p5"), "1005");
    EXPECT_EQ(old_one.ask("s3"), "1040");
    EXPECT_EQ(old_one.ask("t1"), std::to_string(locals + 11));
    EXPECT_EQ(old_one.ask("q7"), "4");
    EXPECT_EQ(old_one.ask("c2"), "3");
  }
  EXPECT_EQ(new_one.ask("a1"), "110");
}

TEST_P(EachBuild, OldCodeRunsInTheNewProcess) {
  Versions v(folder_, "work.c", GetParam());
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  EXPECT_EQ(new_one.ask("a1"), "110");
  EXPECT_EQ(new_one.ask("p5"), "995");
  Outcome o = apply(new_one, Side::kNew, old_one);
  ASSERT_TRUE(o.ok()) << left(o);
  EXPECT_EQ(new_one.ask("a1"), "111") << left(o);
  EXPECT_EQ(new_one.ask("p5"), "1005") << left(o);
  EXPECT_EQ(new_one.ask("s4"), "50") << left(o);
  EXPECT_EQ(new_one.ask("t1"), "4") << left(o);
  EXPECT_EQ(new_one.ask("q7"), "4") << left(o);
  EXPECT_EQ(new_one.ask("c2"), "3") << left(o);
  o = revert(new_one, Side::kNew, old_one);
  ASSERT_TRUE(o.ok()) << left(o);
  EXPECT_EQ(new_one.ask("a1"), "211");
  EXPECT_EQ(new_one.ask("c2"), "115");
}

TEST_P(EachBuild, AnActiveFrameIsMovedAndTurnedBack) {
  Versions v(folder_, "work.c", GetParam());
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  old_one.send("n5");
  EXPECT_EQ(old_one.ask("-1"), "nested 6");
  Outcome o = apply(old_one, Side::kOld, new_one);
  ASSERT_TRUE(o.ok()) << left(o);
  EXPECT_GE(o.frames_moved, 1u) << left(o);
  EXPECT_EQ(old_one.ask("-1"), "nested 1006");
  o = revert(old_one, Side::kOld, new_one);
  ASSERT_TRUE(o.ok()) << left(o);
  EXPECT_GE(o.frames_moved, 1u);
  EXPECT_EQ(o.frames_kept, 0u);
  EXPECT_EQ(old_one.ask("-1"), "nested 1007");
  old_one.send(".0");
  EXPECT_EQ(old_one.line(), "n5 1007");
}

TEST_P(EachBuild, ExceptionsPassTheNewCode) {
  Versions v(folder_, "thrower.cpp", GetParam());
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  EXPECT_EQ(old_one.ask("e1"), "111");
  EXPECT_EQ(old_one.ask("e2"), "25");
  EXPECT_EQ(old_one.ask("e3"), "5");
  EXPECT_EQ(old_one.ask("d0"), "3");
  for (int round = 0; round < 2; ++round) {
    int destroyed = 3 + 305 * round;
    Outcome o = apply(old_one, Side::kOld, new_one);
    ASSERT_TRUE(o.ok()) << left(o);
    EXPECT_EQ(old_one.ask("e0"), "7000") << left(o);
    EXPECT_EQ(old_one.ask("e1"), "9111") << left(o);
    EXPECT_EQ(old_one.ask("e2"), "5020") << left(o);
    EXPECT_EQ(old_one.ask("d0"), std::to_string(destroyed + 300)) << left(o);
    o = revert(old_one, Side::kOld, new_one);
    ASSERT_TRUE(o.ok()) << left(o);
    EXPECT_EQ(old_one.ask("e0"), "7");
    EXPECT_EQ(old_one.ask("e1"), "111");
    EXPECT_EQ(old_one.ask("e2"), "25");
    EXPECT_EQ(old_one.ask("e3"), "5");
    EXPECT_EQ(old_one.ask("e3"), "5");
    EXPECT_EQ(old_one.ask("d0"), std::to_string(destroyed + 305));
  }
}

std::vector<Build> builds() {
  std::vector<Build> out;
  for (const char* compiler : {"gcc", "clang"})
    for (const char* level : {"-O0", "-O1", "-O2"}) {
      for (const char* kind : {"-fPIE -pie", "-no-pie", "-static", "-fPIE -static-pie"})
        out.push_back({compiler, std::string(level) + " " + kind});
      out.push_back({compiler, std::string(level) + " -fPIE -pie", true});
    }
  return out;
}

INSTANTIATE_TEST_SUITE_P(All, EachBuild, ::testing::ValuesIn(builds()), [](const auto& info) {
  std::string name = info.param.compiler + info.param.flags + (info.param.library ? "library" : "");
  std::erase_if(name, [](char c) { return !isalnum(static_cast<unsigned char>(c)); });
  return name;
});

TEST_F(Transplant, AStructureThatGrewIsRefused) {
  Versions v(folder_, "refused.c", {"gcc", "-O2"}, "-DGROWN_STRUCTURE");
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  EXPECT_EQ(old_one.ask("i2"), "2");
  Outcome o = apply(old_one, Side::kOld, new_one);
  ASSERT_FALSE(o.ok());
  EXPECT_NE(left(o).find("has another layout"), std::string::npos) << left(o);
  EXPECT_EQ(old_one.ask("i2"), "8");
}

TEST_F(Transplant, ANewVariableIsRefused) {
  Versions v(folder_, "refused.c", {"gcc", "-O2"}, "-DNEW_VARIABLE");
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  Outcome o = apply(old_one, Side::kOld, new_one);
  ASSERT_FALSE(o.ok());
  EXPECT_NE(left(o).find("`discount`"), std::string::npos) << left(o);
  EXPECT_EQ(old_one.ask("i2"), "2");
}

TEST_F(Transplant, AnActiveFunctionWithAnotherFrameIsRefusedOnlyWhenItTookPartInTheCrash) {
  Versions v(folder_, "refused.c", {"gcc", "-O2"}, "-DOTHER_FRAME");
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  ASSERT_NO_FATAL_FAILURE(analyse(v, old_one, new_one));
  old_one.start("w3");  // it is in `waits` then
  const auto stack_now = [&] {
    return old_one.stopped([](Target& t, std::vector<ThreadState>& threads) {
      return addresses_of(walk_stack(t.pid(), threads[0].registers));
    });
  };
  Outcome o = apply(old_one, Side::kOld, new_one);
  EXPECT_EQ(o.reason, Reason::kFrameDiffers) << left(o);
  EXPECT_NE(o.sentence.find("`waits`"), std::string::npos) << left(o);
  // The crash was in the innermost function: everything outside it waited.
  auto stack = stack_now();
  ASSERT_GT(stack.size(), 4u);
  stack[0] += 1;
  o = apply(old_one, Side::kOld, new_one, stack);
  EXPECT_TRUE(o.ok()) << left(o);
  EXPECT_EQ(old_one.ask("-4"), "w3 4");
}

TEST_F(Transplant, WithoutAMappingTheReasonSaysWhy) {
  Versions v(folder_, "work.c", {"gcc", "-O2"});
  ProgramUnderTest old_one(v.old_path), new_one(v.new_path);
  Outcome o = apply(old_one, Side::kOld, new_one);
  EXPECT_EQ(o.reason, Reason::kNoMapping);
  EXPECT_EQ(o.sentence, "the analysis is not finished");
  MappingService broken("/nonexistent/mx-analyze");
  broken.want(v.old_path, v.new_path);
  while (broken.descriptor() >= 0) {
    pollfd p{broken.descriptor(), POLLIN, 0};
    ASSERT_EQ(::poll(&p, 1, 10000), 1);
    broken.poll();
  }
  EXPECT_EQ(broken.get(v.old_path, v.new_path).why,
            "the analysis failed: /nonexistent/mx-analyze cannot be executed");
}

}  // namespace
}  // namespace mx::recovery::test
