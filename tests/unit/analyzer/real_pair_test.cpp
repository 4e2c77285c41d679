// Two releases that Debian serves. The packages are fetched with apt; without network the test
// fails and says so.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "analyzer/analysis.h"
#include "analyzer/mapping/cache.h"
#include "analyzer/output/output.h"
#include "builder.h"

namespace mx::analyzer::test {
namespace {

std::string fetch(const TempFolder& folder, const std::string& package, const std::string& version,
                  const std::string& program) {
  std::string to = folder / version.substr(version.size() - 4);
  run("mkdir -p " + to + " && cd " + to + " && apt-get download -q " + package + "=" + version +
      " 2>/dev/null && dpkg-deb -x *.deb .");
  return to + program;
}

class RealPair : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder;
    setenv("XDG_CACHE_HOME", (*folder_ / "cache").c_str(), 1);
    pair_ = {fetch(*folder_, "redis-tools", "5:7.0.15-1~deb12u7", "/usr/bin/redis-check-rdb"),
             fetch(*folder_, "redis-tools", "5:7.0.15-1~deb12u10", "/usr/bin/redis-check-rdb")};
  }
  static void TearDownTestSuite() { delete folder_; }
  Options options() const {
    Options o;
    o.old_path = pair_.old_path;
    o.new_path = pair_.new_path;
    return o;
  }
  static TempFolder* folder_;
  static Pair pair_;
};
TempFolder* RealPair::folder_;
Pair RealPair::pair_;

// The update's security fixes touch these; their static callers and users of __LINE__ follow.
TEST_F(RealPair, ThePatchedFunctionsOfRedisAreChanged) {
  auto a = analyze(options());
  ASSERT_TRUE(a) << a.error().sentence;
  std::set<std::string> changed;
  for (const FunctionResult* r : differences(*a.value())) changed.insert(a.value()->name_of(*r));
  for (const char* name : {"_sdsnewlen", "rdbLoadObject", "zipmapValidateIntegrity",
                           "clusterProcessPacket", "redisBuildIdString"})
    EXPECT_TRUE(changed.count(name)) << name;
  EXPECT_LT(changed.size(), 60u);
  EXPECT_GT(a.value()->counts.identical, 3900u);
  std::printf("%zu changed or added, %.2f s\n", changed.size(), a.value()->seconds);
  for (const std::string& name : changed) std::printf("  %s\n", name.c_str());
}

TEST_F(RealPair, JsonHasOneEntryForEachFunction) {
  auto a = analyze(options());
  ASSERT_TRUE(a);
  auto j = nlohmann::json::parse(to_json(*a.value()));
  size_t counted = 0;
  for (auto& [status, n] : j["counts"].items()) counted += n.get<size_t>();
  EXPECT_EQ(j["functions"].size(), counted);
  static const std::set<std::string> kStatuses{"identical", "changed", "added", "removed", "moved"};
  for (const auto& f : j["functions"])
    EXPECT_TRUE(kStatuses.count(f["status"].get<std::string>())) << f["name"];
  std::string page = to_html(*a.value());
  EXPECT_NE(page.find("zipmapValidateIntegrity"), std::string::npos);
  EXPECT_EQ(page.find("src="), std::string::npos);  // self-contained
}

TEST_F(RealPair, TheMappingIsStableCachedAndAnswersQuestions) {
  auto first = mapping::mapping_for(options());
  ASSERT_TRUE(first) << first.error().sentence;
  EXPECT_FALSE(first.value().from_cache);
  std::string path = first.value().path, kept = read_file(path);
  auto second = mapping::mapping_for(options());
  ASSERT_TRUE(second);
  EXPECT_TRUE(second.value().from_cache);
  std::filesystem::remove(path);
  ASSERT_TRUE(mapping::mapping_for(options()));
  EXPECT_EQ(read_file(path), kept);
  write_file(path, kept.substr(0, kept.size() / 2));  // a damaged one is replaced
  auto third = mapping::mapping_for(options());
  ASSERT_TRUE(third);
  EXPECT_FALSE(third.value().from_cache);
  EXPECT_EQ(read_file(path), kept);
  const mapping::MappingFile& m = *third.value().file;
  size_t sites = 0;
  for (const mapping::Function& f : m.functions()) {
    if (f.old_address && f.old_size) {
      EXPECT_EQ(m.function_at_old(f.old_address)->old_address, f.old_address);
    }
    if (f.new_address && f.new_size) {
      EXPECT_EQ(m.function_at_new(f.new_address)->new_address, f.new_address);
    }
    for (const mapping::CallSite& s : m.sites_of(f)) {
      const mapping::CallSite* found = m.site_at_old(s.old_return);
      if (found) sites += found->new_return == s.new_return;
    }
  }
  EXPECT_GT(sites, m.call_sites().size() * 99 / 100);
}

}  // namespace
}  // namespace mx::analyzer::test
