// What the analyser must find, kind by kind, in one small program built by gcc and by clang.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

#include "analyzer/analysis.h"
#include "analyzer/code/blocks.h"
#include "analyzer/match/call_graph.h"
#include "analyzer/output/side_by_side.h"
#include "builder.h"

namespace mx::analyzer::test {
namespace {

std::string corpus(const std::string& name) { return std::string(MX_CORPUS) + "/" + name; }

std::shared_ptr<const Analysis> compare(const std::string& old_path, const std::string& new_path,
                                        const std::string& old_debug = "",
                                        const std::string& new_debug = "") {
  Options o;
  o.old_path = old_path;
  o.new_path = new_path;
  o.old_debug = old_debug;
  o.new_debug = new_debug;
  auto a = analyze(o);
  if (!a) throw std::runtime_error(a.error().sentence);
  return a.value();
}

const Function* find(const Program& p, const std::string& name) {
  for (const Function& f : p.functions())
    if (f.name == name || std::count(f.aliases.begin(), f.aliases.end(), name)) return &f;
  return nullptr;
}

const FunctionResult& result(const Analysis& a, const std::string& name) {
  for (const FunctionResult& r : a.functions)
    if (a.name_of(r) == name) return r;
  throw std::runtime_error("no function " + name);
}

// The program of corpus/kinds_*.c.
class Kinds : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { folder_ = std::make_unique<TempFolder>(); }
  static void TearDownTestSuite() { folder_.reset(); }
  // Each is built once.
  std::string build(const std::string& flags = "") {
    std::string path = *folder_ / (GetParam() + flags);
    if (access(path.c_str(), F_OK) == 0) return path;
    run(std::string(GetParam()) + " -g -w -O2 -fcf-protection=branch " + flags + " -o '" + path +
        "' " + corpus("kinds_a.c") + " " + corpus("kinds_b.c"));
    return path;
  }
  std::string bare() {
    std::string path = build(), out = path + ".bare";
    if (access(out.c_str(), F_OK) != 0) run("strip -o " + out + " " + path);
    return out;
  }
  std::shared_ptr<const Program> load(const std::string& path, const std::string& debug = "") {
    auto p = Program::load(path, debug);
    if (!p) throw std::runtime_error(p.error().sentence);
    return p.value();
  }
  const Function& function(const Program& p, const std::string& name) {
    const Function* f = find(p, name);
    if (!f) throw std::runtime_error("no function " + name);
    return *f;
  }
  // The assembly of one function of a program, as people get to see it.
  std::string listing(const std::string& path, const std::string& name) {
    auto a = compare(path, path);
    std::string text;
    for (const CodeLine& l : side_by_side(*a, result(*a, name))) text += l.old_text + "\n";
    return text;
  }
  static std::unique_ptr<TempFolder> folder_;
};

std::unique_ptr<TempFolder> Kinds::folder_;

TEST_P(Kinds, LocalFunctionsOfOneNameAreToldApart) {
  std::string path = build();
  auto a = compare(path, path);
  std::map<std::string, uint64_t> files;
  for (const FunctionResult& r : a->functions)
    if (a->name_of(r) == "helper") {
      EXPECT_EQ(r.old_index, r.new_index);
      files[a->old_function(r)->file] = a->old_function(r)->address;
    }
  ASSERT_EQ(files.size(), 2u);
  EXPECT_TRUE(files.count("kinds_a.c") && files.count("kinds_b.c"));
}

TEST_P(Kinds, AliasesIfuncsAndPltStubsAreKnown) {
  auto p = load(build());
  const Function& f = function(*p, "first_name");
  EXPECT_EQ(&f, find(*p, "second_name"));
  EXPECT_EQ(function(*p, "chosen").kind, FunctionKind::ifunc);
  bool stub = std::any_of(p->functions().begin(), p->functions().end(), [](const Function& g) {
    return g.kind == FunctionKind::plt && g.name.find("puts") == 0;
  });
  EXPECT_TRUE(stub);
}

TEST_P(Kinds, TheEntryAndTheArraysAreFunctionsOfAStrippedFile) {
  auto named = load(build());
  auto bare_one = load(bare());
  EXPECT_FALSE(bare_one->has_full_symbols());
  for (const char* name : {"_start", "before_main", "after_main", "main", "dispatch", "branchy"}) {
    uint64_t address = function(*named, name).address;
    EXPECT_NE(bare_one->function_starting_at(address), kNone) << name;
  }
}

TEST_P(Kinds, ColdPartsBelongToTheirFunctions) {
  if (std::string(GetParam()) != "gcc") GTEST_SKIP() << "clang 14 makes none";
  auto named = load(build());
  const Function& cold = function(*named, "careful.cold");
  EXPECT_EQ(cold.kind, FunctionKind::cold);
  ASSERT_NE(cold.parent, kNone);
  EXPECT_EQ(named->functions()[cold.parent].name, "careful");
  auto bare_one = load(bare());
  uint32_t f = bare_one->function_starting_at(cold.address);
  ASSERT_NE(f, kNone);
  EXPECT_EQ(bare_one->functions()[f].kind, FunctionKind::cold);
  ASSERT_NE(bare_one->functions()[f].parent, kNone);
  EXPECT_EQ(bare_one->functions()[bare_one->functions()[f].parent].address,
            named->functions()[cold.parent].address);
}

TEST_P(Kinds, BlocksFollowBranchesAndJumpTables) {
  for (const char* flags : {"", "-fno-pie -no-pie"}) {
    auto p = load(build(flags));
    const Function& straight = function(*p, "straight");
    auto blocks = basic_blocks(straight);
    ASSERT_EQ(blocks.size(), 1u);
    EXPECT_TRUE(blocks[0].successors.empty());
    const Function& dispatch = function(*p, "dispatch");
    ASSERT_EQ(dispatch.tables.size(), 1u) << flags;
    EXPECT_EQ(dispatch.tables[0].targets.size(), 8u) << flags;
    blocks = basic_blocks(dispatch);
    size_t widest = 0;
    for (const BasicBlock& b : blocks) {
      EXPECT_FALSE(b.indirect_jump);
      widest = std::max(widest, b.successors.size());
      for (uint32_t s : b.successors) EXPECT_LT(s, blocks.size());
    }
    EXPECT_GE(widest, 8u) << flags;
    blocks = basic_blocks(function(*p, "branchy"));
    EXPECT_GE(blocks.size(), 3u);
    bool loop = std::any_of(blocks.begin(), blocks.end(), [&](const BasicBlock& b) {
      return !b.successors.empty() && b.successors[0] <= static_cast<uint32_t>(&b - blocks.data());
    });
    EXPECT_TRUE(loop);
  }
}

// Every block ends where the next begins, and nothing but its last instruction leaves it.
TEST_P(Kinds, BlocksCoverEveryFunction) {
  auto p = load(build());
  for (const Function& f : p->functions()) {
    uint32_t next = 0;
    for (const BasicBlock& b : basic_blocks(f)) {
      EXPECT_EQ(b.first, next) << f.name;
      for (uint32_t k = b.first; k < b.last; ++k)
        EXPECT_FALSE(ends_block(f.code[k].flow)) << f.name;
      next = b.last + 1;
    }
    EXPECT_EQ(next, f.code.size()) << f.name;
  }
}

TEST_P(Kinds, CallsOfEveryKindAreInTheCallGraph) {
  auto a = compare(build(), build());
  const Program& p = *a->versions.old_program;
  auto callees = [&](const std::string& name) {
    uint32_t index = result(*a, name).old_index;
    return callees_of(p, p.functions()[index], a->versions.old_features[index]);
  };
  EXPECT_TRUE(callees("main").count("dispatch"));
  EXPECT_TRUE(callees("dispatch").count("puts@plt"));
  EXPECT_TRUE(callees("through_pointer").count("*"));
  EXPECT_TRUE(callees("goes_on").count("branchy"));  // a tail call
  const Function& f = function(p, "goes_on");
  EXPECT_EQ(1, std::count_if(f.code.begin(), f.code.end(),
                             [&](const Instruction& i) { return is_tail_call(p, f, i); }));
  EXPECT_TRUE(function(p, "in_a_table").address_taken);
  EXPECT_TRUE(function(p, "by_lea").address_taken);
  EXPECT_FALSE(function(p, "straight").address_taken);
}

TEST_P(Kinds, ReferencesSayWhatTheyMean) {
  for (const char* flags : {"", "-fno-pie -no-pie"}) {
    std::string path = build(flags);
    EXPECT_NE(listing(path, "dispatch").find("; \"three of them\""), std::string::npos) << flags;
    EXPECT_NE(listing(path, "globals").find("; counters+0x8"), std::string::npos) << flags;
    EXPECT_NE(listing(path, "through_got").find("environ"), std::string::npos) << flags;
    EXPECT_NE(listing(path, "goes_on").find("; branchy (tail call)"), std::string::npos) << flags;
  }
}

TEST_P(Kinds, SymbolsComeFromASeparateDebugFile) {
  std::string path = build(), debug = path + ".debug", linked = path + ".linked";
  run("objcopy --only-keep-debug " + path + " " + debug);
  run("objcopy --add-gnu-debuglink=" + debug + " " + bare() + " " + linked);
  auto with_link = load(linked);
  ASSERT_NE(with_link->debug_image(), nullptr);
  EXPECT_EQ(with_link->debug_image()->path(), debug);
  EXPECT_NE(find(*with_link, "helper"), nullptr);
  EXPECT_EQ(find(*load(bare()), "helper"), nullptr);
  EXPECT_NE(find(*load(bare(), debug), "helper"), nullptr);  // --debug-old
  auto a = compare(bare(), bare(), debug, debug);
  EXPECT_TRUE(a->old_debug && a->new_debug);
  EXPECT_EQ(result(*a, "dispatch").status, FunctionStatus::identical);
  auto other = Program::load("/bin/true", debug);  // it belongs to another file
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().sentence.find("build-ids differ"), std::string::npos);
}

TEST_P(Kinds, SymbolsComeFromTheBuildIdUnderUsrLibDebug) {
  std::string path = build();
  std::string id = load(path)->image().build_id_hex();
  if (id.empty()) GTEST_SKIP() << "no build-id";
  std::string at = "/usr/lib/debug/.build-id/" + id.substr(0, 2),
              file = at + "/" + id.substr(2) + ".debug";
  bool fresh = access(at.c_str(), F_OK) != 0;
  if (system(("mkdir -p " + at + " 2>/dev/null").c_str()) != 0) GTEST_SKIP() << "not root";
  run("objcopy --only-keep-debug " + path + " " + file);
  auto p = load(bare());
  run("rm " + file + (fresh ? " && rmdir " + at : ""));
  EXPECT_NE(find(*p, "helper"), nullptr);
  ASSERT_NE(p->debug_image(), nullptr);
  EXPECT_EQ(p->debug_image()->path(), file);
}

TEST_P(Kinds, TypesAreComparedAndTheirUsersKnow) {
  auto a = compare(build(), build("-DNEW_VERSION"));
  std::map<std::string, std::string> types;
  for (const TypeChange& t : a->types) types[t.name] = t.what;
  EXPECT_NE(types["struct grows"].find("grew from 8 to 16 bytes"), std::string::npos)
      << types["struct grows"];
  EXPECT_NE(types["struct swaps"].find("`left` moved from 0 to 8"), std::string::npos)
      << types["struct swaps"];
  EXPECT_NE(types["enum state"].find("`RUNNING` changed from 1 to 2"), std::string::npos)
      << types["enum state"];
  EXPECT_EQ(types.size(), 3u);
  const FunctionResult& user = result(*a, "uses_swaps");
  EXPECT_EQ(user.status, FunctionStatus::changed);
  ASSERT_EQ(user.changed_types.size(), 1u);
  EXPECT_NE(user.changed_types[0].find("struct swaps"), std::string::npos);
  EXPECT_EQ(user.old_to_new.possible, Possible::no);
}

// Go pads structures with several fields called `_`.
TEST(Types, FieldsOfOneNameAreToldApart) {
  DebugInfo before, after;
  before.types = {{"struct padded", 12, {{"_", "int", 0}, {"a", "int", 4}, {"_", "int", 8}}}};
  after = before;
  EXPECT_TRUE(compare_types(before, after).empty());
  after.types[0].members[2].offset = 9;
  ASSERT_EQ(compare_types(before, after).size(), 1u);
  EXPECT_EQ(compare_types(before, after)[0].what, "field `_` moved from 8 to 9");
}

TEST_P(Kinds, EveryVerdictHasItsReason) {
  auto a = compare(build(), build("-DNEW_VERSION"));
  auto reason = [&](const std::string& name, bool old_to_new) {
    const FunctionResult& r = result(*a, name);
    const Verdict& v = old_to_new ? r.old_to_new : r.new_to_old;
    std::string text = std::string(to_string(v.possible)) + ":";
    for (const std::string& s : v.reasons) text += " " + s;
    return text;
  };
  EXPECT_EQ(reason("constant_only", true), "yes:");
  EXPECT_EQ(reason("constant_only", false), "yes:");
  EXPECT_NE(reason("new_global", true).find("no: refers to the global `only_new`"),
            std::string::npos);
  EXPECT_EQ(reason("new_global", false).find("no:"), std::string::npos)
      << "the old code needs nothing";
  EXPECT_NE(
      reason("resized", true).find("the global `grown` has 16 bytes in the old version and 32"),
      std::string::npos);
  EXPECT_NE(reason("bigger_frame", true).find("when-inactive: frame differs at the call before 0x"),
            std::string::npos);
  EXPECT_NE(reason("calls_more", false).find("has no counterpart"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Compilers, Kinds, ::testing::Values("gcc", "clang"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace mx::analyzer::test
