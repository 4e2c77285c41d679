// The mapping of one small pair, looked at closely: call sites, fixups, verdicts, types,
// explanation, identity.
#include <gtest/gtest.h>

#include <algorithm>

#include "analyzer/analysis.h"
#include "analyzer/explain/explain.h"
#include "analyzer/mapping/identity.h"
#include "analyzer/mapping/mapping_file.h"
#include "analyzer/mapping/writer.h"
#include "builder.h"

namespace mx::analyzer::test {
namespace {

class Shop : public ::testing::Test {
 protected:
  void SetUp() override {
    pair_ = build_pair(folder_, std::string(MX_CORPUS) + "/shop.c", {"gcc", "-O1"});
    Options o;
    o.old_path = pair_.old_path;
    o.new_path = pair_.new_path;
    auto a = analyze(o);
    ASSERT_TRUE(a) << a.error().sentence;
    analysis_ = a.value();
    auto bytes = mapping::write_mapping(*analysis_);
    ASSERT_TRUE(bytes);
    room_.resize(bytes.value().size() / 8 + 1);
    std::copy(bytes.value().begin(), bytes.value().end(), reinterpret_cast<uint8_t*>(room_.data()));
    auto m = mapping::MappingFile::check(
        {reinterpret_cast<uint8_t*>(room_.data()), bytes.value().size()}, "shop");
    ASSERT_TRUE(m) << m.error().sentence;
    mapping_ = m.value();
  }
  const FunctionResult& result(const std::string& name) const {
    for (const FunctionResult& r : analysis_->functions)
      if (analysis_->name_of(r) == name) return r;
    throw std::runtime_error("no function " + name);
  }
  const DataResult& data(const std::string& name) const {
    for (const DataResult& d : analysis_->data)
      if (d.name == name) return d;
    throw std::runtime_error("no data " + name);
  }
  TempFolder folder_;
  Pair pair_;
  std::shared_ptr<const Analysis> analysis_;
  std::vector<uint64_t> room_;
  std::shared_ptr<const mapping::MappingFile> mapping_;
};

TEST_F(Shop, StatusesFollowTheSource) {
  EXPECT_EQ(result("sell").status, FunctionStatus::changed);
  EXPECT_EQ(result("refund").status, FunctionStatus::added);
  EXPECT_EQ(result("clear").status, FunctionStatus::removed);
  EXPECT_EQ(result("tax").status, FunctionStatus::identical);
  EXPECT_EQ(result("compare").status, FunctionStatus::identical);
}

TEST_F(Shop, TheGrownStructureForbidsTheTransplant) {
  ASSERT_EQ(analysis_->types.size(), 1u);
  EXPECT_EQ(analysis_->types[0].name, "struct item");
  EXPECT_NE(analysis_->types[0].what.find("grew from 48 to 56 bytes"), std::string::npos)
      << analysis_->types[0].what;
  EXPECT_NE(analysis_->types[0].what.find("`discount` is new"), std::string::npos);
  const FunctionResult& sell = result("sell");
  EXPECT_EQ(sell.old_to_new.possible, Possible::no);
  EXPECT_NE(sell.old_to_new.reasons[0].find("struct item"), std::string::npos)
      << sell.old_to_new.reasons[0];
}

TEST_F(Shop, DataIsMatchedByName) {
  EXPECT_EQ(data("refunds").status, DataStatus::added);
  EXPECT_EQ(data("sold").status, DataStatus::same);
  EXPECT_EQ(data("rates").status, DataStatus::same);
  EXPECT_FALSE(data("rates").writable);
  EXPECT_TRUE(data("verbose").writable);
}

TEST_F(Shop, MainRefersToAGlobalOnlyThroughTheAddedFunction) {
  const Verdict& v = result("main").old_to_new;
  EXPECT_EQ(v.possible, Possible::no);
  bool says = std::any_of(v.reasons.begin(), v.reasons.end(), [](const std::string& r) {
    return r.find("calls `refund`") != std::string::npos &&
           r.find("`refunds`") != std::string::npos;
  });
  EXPECT_TRUE(says);
}

// Every fixup must describe what the bytes say: field value + end of instruction = target.
TEST_F(Shop, FixupsAgreeWithTheCode) {
  size_t checked = 0;
  for (const mapping::Function& f : mapping_->functions()) {
    for (bool old_side : {true, false}) {
      const Image& image =
          (old_side ? analysis_->versions.old_program : analysis_->versions.new_program)->image();
      uint64_t base = old_side ? f.old_address : f.new_address;
      for (const mapping::Fixup& x :
           old_side ? mapping_->old_fixups_of(f) : mapping_->new_fixups_of(f)) {
        if (x.field_size != 4 || x.absolute) continue;
        auto value = image.i32_at(base + x.offset);
        ASSERT_TRUE(value);
        EXPECT_EQ(base + x.offset + x.to_end + static_cast<int64_t>(*value), x.target)
            << mapping_->text(f.name);
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 30u);
}

TEST_F(Shop, AnAddressIsExplainedInOneSentence) {
  const Function* sell = analysis_->new_function(result("sell"));
  Explanation e = explain(*mapping_, Version::new_version, pair_.new_path, sell->address + 4);
  EXPECT_EQ(e.function, "sell");
  EXPECT_EQ(e.offset, 4u);
  EXPECT_TRUE(e.changed);
  EXPECT_NE(e.source_line.find("shop.c:"), std::string::npos);
  EXPECT_NE(e.sentence.find("which this update changed"), std::string::npos) << e.sentence;
  EXPECT_FALSE(explain(*mapping_, Version::new_version, pair_.new_path, 1).known);
}

TEST_F(Shop, IdentityIsTheBuildIdAndTheSize) {
  auto a = mapping::identity_of(pair_.old_path), b = mapping::identity_of(pair_.new_path);
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(mapping_->header().old_file == a.value());
  EXPECT_FALSE(a.value() == b.value());
  std::string hex = analysis_->versions.old_program->image().build_id_hex();
  EXPECT_EQ(a.value().id_size * 2, hex.size());
}

TEST_F(Shop, ARenamedFunctionIsMoved) {
  std::string source = read_file(std::string(MX_CORPUS) + "/shop.c");
  for (size_t at = 0; (at = source.find("tax(", at)) != std::string::npos; at += 6)
    source.replace(at, 4, "levy__(");
  write_file(folder_ / "renamed.c", source);
  run("gcc -g -w -O1 -o " + (folder_ / "renamed") + " " + (folder_ / "renamed.c"));
  Options o;
  o.old_path = pair_.old_path;
  o.new_path = folder_ / "renamed";
  auto a = analyze(o);
  ASSERT_TRUE(a);
  EXPECT_EQ(a.value()->counts.moved, 1u);
  EXPECT_EQ(a.value()->counts.changed, 0u);
  EXPECT_EQ(a.value()->counts.added + a.value()->counts.removed, 0u);
}

}  // namespace
}  // namespace mx::analyzer::test
