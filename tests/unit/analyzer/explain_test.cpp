// The crash-report call of mx-analyze, as the monitor makes it: a process and its JSON.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "builder.h"

namespace mx::analyzer::test {
namespace {

using Json = nlohmann::json;

class CrashReportCall : public ::testing::Test {
 protected:
  void SetUp() override {
    pair_ = build_pair(folder_, std::string(MX_CORPUS) + "/shop.c", {"gcc", "-O1"});
    setenv("XDG_CACHE_HOME", (folder_ / "cache").c_str(), 1);
  }
  static std::string hex(uint64_t x) {
    std::ostringstream out;
    out << std::hex << x;
    return out.str();
  }
  static TrueFunction function(const std::string& file, const std::string& name) {
    for (const TrueFunction& f : true_functions(file))
      if (f.name == name) return f;
    throw std::runtime_error("no function " + name);
  }
  // The address behind the first call of `callee` in `caller`, from objdump.
  static uint64_t return_address(const std::string& file, const std::string& caller,
                                 const std::string& callee) {
    std::istringstream lines(
        run("objdump -d --no-show-raw-insn --disassemble=" + caller + " " + file));
    bool next = false;
    for (std::string line; std::getline(lines, line);) {
      if (next) return std::stoull(line, nullptr, 16);
      next = line.find("call") != std::string::npos && line.find("<" + callee) != std::string::npos;
    }
    throw std::runtime_error(caller + " does not call " + callee);
  }
  static Json ask(const std::string& arguments) {
    return Json::parse(run(MX_ANALYZE " --explain " + arguments));
  }

  TempFolder folder_;
  Pair pair_;
};

TEST_F(CrashReportCall, AStackIsExplained) {
  uint64_t sell = function(pair_.new_path, "sell").address;
  uint64_t in_main = return_address(pair_.new_path, "main", "sell");
  Json j = ask(hex(sell + 4) + "," + hex(in_main) + " --module " + pair_.new_path + " --other " +
               pair_.old_path + " --listing 3");
  EXPECT_TRUE(j["compared"]);
  EXPECT_EQ(j["version"], "new");
  const Json& inner = j["addresses"][0];
  EXPECT_EQ(inner["function"], "sell");
  EXPECT_EQ(inner["offset"], 4);
  EXPECT_EQ(inner["status"], "changed");
  EXPECT_EQ(inner["transplantable"]["possible"], "no");
  EXPECT_NE(inner["transplantable"]["reason"].get<std::string>().find("struct item"),
            std::string::npos);
  EXPECT_NE(inner["source"].get<std::string>().find("shop.c:"), std::string::npos);
  const Json& outer = j["addresses"][1];
  EXPECT_EQ(outer["function"], "main");
  EXPECT_EQ(outer["other"]["return_address"],
            "0x" + hex(return_address(pair_.old_path, "main", "sell")));
  EXPECT_NE(j["sentence"].get<std::string>().find("`sell`"), std::string::npos);
  EXPECT_NE(j["sentence"].get<std::string>().find("which this update changed"), std::string::npos);
  ASSERT_GE(j["listing"]["own"].size(), 4u);
  EXPECT_EQ(std::count_if(j["listing"]["own"].begin(), j["listing"]["own"].end(),
                          [](const Json& i) { return i.contains("current"); }),
            1);
  EXPECT_FALSE(j["listing"]["other"].empty());
}

TEST_F(CrashReportCall, AnUnchangedFunctionUnderAChangedOneNamesBoth) {
  uint64_t compare = function(pair_.new_path, "compare").address;
  uint64_t in_main = return_address(pair_.new_path, "main", "sell");
  Json j = ask(hex(compare) + "," + hex(in_main) + " --module " + pair_.new_path + " --other " +
               pair_.old_path);
  std::string sentence = j["sentence"];
  EXPECT_NE(sentence.find("`compare`"), std::string::npos) << sentence;
  EXPECT_NE(sentence.find("did not change"), std::string::npos) << sentence;
  EXPECT_NE(sentence.find("on the way from `main`"), std::string::npos) << sentence;
}

// What /proc/PID/maps gives needs no arithmetic on program headers.
TEST_F(CrashReportCall, FileOffsetsAreTurnedIntoAddresses) {
  uint64_t address = function(pair_.old_path, "tax").address, offset = 0;
  std::istringstream lines(run("readelf -lW " + pair_.old_path));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string type, o, v, p, size;
    words >> type >> o >> v >> p >> size;
    if (type != "LOAD") continue;
    uint64_t start = std::stoull(v, nullptr, 16);
    if (address >= start && address - start < std::stoull(size, nullptr, 16))
      offset = address - start + std::stoull(o, nullptr, 16);
  }
  Json j = ask(hex(offset) + " --file-offsets --version-is old --module " + pair_.old_path);
  EXPECT_FALSE(j["compared"]);
  EXPECT_EQ(j["addresses"][0]["function"], "tax");
  EXPECT_EQ(j["addresses"][0]["address"], "0x" + hex(address));
  EXPECT_FALSE(j["addresses"][0].contains("status"));
}

TEST_F(CrashReportCall, WithoutSymbolsTheFunctionIsStillFound) {
  uint64_t tax = function(pair_.old_path, "tax").address;
  Json j = ask(hex(tax) + " --module " + stripped(pair_).old_path);
  EXPECT_EQ(j["addresses"][0]["function"], "sub_" + hex(tax));
}

TEST_F(CrashReportCall, BadQuestionsGetOneLineAndStatusTwo) {
  auto refused = [&](const std::string& arguments) {
    std::string out = run(MX_ANALYZE " " + arguments + " 2>&1; echo status $?");
    EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2) << out;
    EXPECT_NE(out.find("status 2\n"), std::string::npos) << out;
  };
  refused("--explain zebra --module " + pair_.old_path);
  refused("--explain 10");
  refused("--explain 10 --module /nowhere/file");
  Json j = ask("1 --module " + pair_.old_path + " --other /nowhere/file");
  EXPECT_FALSE(j["compared"]);
  EXPECT_NE(j["why_not_compared"].get<std::string>().find("/nowhere/file"), std::string::npos);
}

}  // namespace
}  // namespace mx::analyzer::test
