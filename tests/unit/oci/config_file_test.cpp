// The keys of /etc/mx/config.toml: each is described in mx-config(5) and shown in the file that is
// installed.
#include "oci/settings/config_file.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <sstream>

#include "oci/base/files.hpp"

namespace mx::oci {
namespace {

TEST(ConfigFile, EveryKeyIsInTheManualPageAndNoOther) {
  std::istringstream page(read_file(MX_SOURCE "/packaging/man/mx-config.5"));
  std::vector<std::string> documented;
  for (std::string line; std::getline(page, line);)
    if (line.starts_with(".B ") && line.find('.', 3) != line.npos)
      documented.push_back(std::regex_replace(line.substr(3), std::regex("\\\\-"), "-"));
  std::sort(documented.begin(), documented.end());
  EXPECT_EQ(documented, config_keys());
}

// What is installed says the defaults, each commented out; with the marks taken away it must be
// what there is without it.
TEST(ConfigFile, TheInstalledFileShowsEveryKeyWithItsDefault) {
  std::istringstream shown(read_file(MX_SOURCE "/packaging/config.toml"));
  std::string text, table;
  std::vector<std::string> keys;
  for (std::string line; std::getline(shown, line);) {
    if (line.starts_with("[")) table = line.substr(1, line.find(']') - 1);
    if (line.starts_with("#") && line.find(" = ") != line.npos && line[1] != ' ') {
      line.erase(0, 1);
      keys.push_back(table + "." + line.substr(0, line.find(' ')));
    }
    text += line + "\n";
  }
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(keys, config_keys());
  char folder[] = "/tmp/mx-config.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string file = std::string(folder) + "/config.toml";
  write_file_atomically(file, text);
  const Config from_file = load_config_file(file),
               without = load_config_file("/nonexistent/config.toml");
  EXPECT_EQ(from_file.warnings, std::vector<std::string>());
  EXPECT_EQ(from_file.inner, without.inner);
  EXPECT_EQ(from_file.state, without.state);
  EXPECT_EQ(from_file.store, without.store);
  EXPECT_EQ(from_file.cache, without.cache);
  EXPECT_EQ(from_file.allow, without.allow);
  EXPECT_EQ(from_file.keep_seconds, without.keep_seconds);
  EXPECT_EQ(from_file.replay_bundle, without.replay_bundle);
  EXPECT_EQ(from_file.core, without.core);
  EXPECT_EQ(from_file.leader, without.leader);
  EXPECT_EQ(from_file.lockstep, without.lockstep);
  EXPECT_EQ(from_file.threads, without.threads);
  EXPECT_EQ(from_file.recovery, without.recovery);
  EXPECT_EQ(from_file.hang_timeout, without.hang_timeout);
  EXPECT_EQ(from_file.apparmor_profile, without.apparmor_profile);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace mx::oci
