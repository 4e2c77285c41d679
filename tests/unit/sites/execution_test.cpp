// The accepted golden functions, linked into this program: same results before and after rewriting.
#include <gtest/gtest.h>
#include <unistd.h>

#include <ostream>
#include <vector>

#include "patcher.h"

extern "C" {
long run_after(long);
long run_before(long);
long run_before_entry(long);
long run_both(long);
long run_ret_padding(long);
long run_loop_to_start(long);
long run_disp32(long);
long run_jump_table(long);
long run_two_sites(long);
long run_red_zone(long);
long run_push_pop(long);
long run_flags(long);
long run_lock_prefix(long);
long run_symbol_size(long);
long run_cfi_ends_early(long);
}

namespace mx::sites {
namespace {

struct Case {
  const char* name;
  long (*function)(long);
  unsigned sites;
  unsigned calls;  // system calls one run makes
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

/// One patcher for all tests of this program.
Patcher& patcher() {
  static Patcher* const kept = new Patcher("/proc/self/exe", load_base(""));
  return *kept;
}

/// The sites within 128 bytes, before the next run_… function can begin at the same address.
std::vector<Site> sites_in(const Case& test) {
  const uint64_t begin = reinterpret_cast<uint64_t>(test.function) - load_base("");
  std::vector<Site> sites;
  for (const Site& site : patcher().table().sites())
    if (site.offset >= begin && sites.size() < test.sites) sites.push_back(site);
  return sites;
}

class Execution : public testing::TestWithParam<Case> {};

TEST_P(Execution, ResultsAreTheSameAfterRewriting) {
  const Case& test = GetParam();
  const std::vector<long> arguments = {0, 1, 7, -3};
  std::vector<long> native;
  for (const long argument : arguments) native.push_back(test.function(argument));

  const std::vector<Site> sites = sites_in(test);
  ASSERT_EQ(sites.size(), test.sites);
  for (const Site& site : sites) {
    ASSERT_LT(site.offset + load_base("") - reinterpret_cast<uint64_t>(test.function), 64u);
    ASSERT_TRUE(site.flags & kRewritable) << reason_name(site.reason);
    patcher().patch(site);
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    const uint64_t before = patcher().calls();
    EXPECT_EQ(test.function(arguments[i]), native[i]) << "argument " << arguments[i];
    EXPECT_EQ(patcher().calls() - before, test.calls) << "each call goes through the trampoline";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Golden, Execution,
    testing::Values(Case{"after", run_after, 1, 1}, Case{"before", run_before, 1, 1},
                    Case{"before_entry", run_before_entry, 1, 1}, Case{"both", run_both, 1, 1},
                    Case{"ret_padding", run_ret_padding, 1, 1},
                    Case{"loop_to_start", run_loop_to_start, 1, 3},
                    Case{"disp32", run_disp32, 1, 1}, Case{"jump_table", run_jump_table, 1, 1},
                    Case{"two_sites", run_two_sites, 2, 2}, Case{"red_zone", run_red_zone, 1, 1},
                    Case{"push_pop", run_push_pop, 1, 1}, Case{"flags", run_flags, 1, 1},
                    Case{"lock_prefix", run_lock_prefix, 1, 1},
                    Case{"symbol_size", run_symbol_size, 1, 1},
                    Case{"cfi_ends_early", run_cfi_ends_early, 1, 1}),
    [](const auto& info) { return info.param.name; });

TEST(Execution, GoldenFunctionsDoWhatTheySay) {
  EXPECT_EQ(run_before_entry(0), getpid());
  EXPECT_EQ(run_red_zone(5), getpid() + 5);
  EXPECT_EQ(run_jump_table(1), getppid());
  EXPECT_EQ(run_flags(4), 1);
  EXPECT_EQ(run_flags(6), 0);
}

}  // namespace
}  // namespace mx::sites
