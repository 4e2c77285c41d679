// The analyser against the compiler's own word: symbols, line tables and stack usage of programs
// built here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "analyzer/analysis.h"
#include "builder.h"
#include "corpus_generator.h"

namespace mx::analyzer::test {
namespace {

std::shared_ptr<const Analysis> analyze_pair(const Pair& pair) {
  Options o;
  o.old_path = pair.old_path;
  o.new_path = pair.new_path;
  auto a = analyze(o);
  if (!a) throw std::runtime_error(a.error().sentence);
  return a.value();
}

bool is_cold(const std::string& name) { return name.find(".cold") != std::string::npos; }

struct Rate {
  size_t good = 0, all = 0;
  double share() const { return all ? static_cast<double>(good) / static_cast<double>(all) : 1; }
  void operator+=(const Rate& r) { good += r.good, all += r.all; }
};

std::string shown(const Rate& r) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f %% (%zu/%zu)", 100 * r.share(), r.good, r.all);
  return text;
}

struct Truth {
  std::map<uint64_t, std::set<std::string>> names;  // by address, without cold parts
  explicit Truth(const std::string& path) {
    for (const TrueFunction& f : true_functions(path))
      if (!is_cold(f.name)) names[f.address].insert(f.name);
  }
  bool same(uint64_t address, const Truth& other, uint64_t other_address) const {
    auto a = names.find(address), b = other.names.find(other_address);
    if (a == names.end() || b == other.names.end()) return false;
    return std::any_of(a->second.begin(), a->second.end(),
                       [&](const std::string& n) { return b->second.count(n); });
  }
};

// Functions found where the symbols say, and nothing found where they do not.
struct Found {
  Rate recall, precision;
};
Found discovery(const Program& p, const Truth& truth) {
  Found f;
  std::set<uint64_t> found;
  for (const Function& g : p.functions())
    if (g.kind == FunctionKind::normal || g.kind == FunctionKind::ifunc) found.insert(g.address);
  for (const auto& [address, names] : truth.names) {
    ++f.recall.all;
    f.recall.good += found.count(address);
  }
  for (uint64_t a : found) {
    ++f.precision.all;
    f.precision.good += truth.names.count(a);
    if (!truth.names.count(a) && getenv("MX_SHOW"))
      std::fprintf(stderr, "no function: %s at %lx of %s\n",
                   p.functions()[p.function_starting_at(a)].name.c_str(), a,
                   p.image().path().c_str());
  }
  return f;
}

struct Matching {
  Rate right, wrong;  // of the functions that both versions have
};
Matching matching(const Analysis& a, const Truth& old_truth, const Truth& new_truth) {
  std::map<std::string, uint64_t> new_names;
  for (const auto& [address, names] : new_truth.names)
    for (const auto& n : names) new_names[n] = address;
  Matching m;
  for (const auto& [address, names] : old_truth.names) {
    bool in_both =
        std::any_of(names.begin(), names.end(), [&](const auto& n) { return new_names.count(n); });
    uint32_t f = a.versions.old_program->function_starting_at(address);
    uint32_t g = f == kNone ? kNone : a.correspondence->of_old(f).other;
    if (in_both) {
      ++m.right.all;
      if (g != kNone &&
          old_truth.same(address, new_truth, a.versions.new_program->functions()[g].address))
        ++m.right.good;
    }
    ++m.wrong.all;
    if (g != kNone &&
        !old_truth.same(address, new_truth, a.versions.new_program->functions()[g].address))
      ++m.wrong.good;
  }
  return m;
}

// Both versions come from one source, so equal calls have equal line numbers.
struct Sites {
  Rate right, found;
};
Sites call_sites(const Analysis& a, const Pair& with_lines) {
  std::set<uint64_t> olds, news;
  for (const FunctionResult& r : a.functions)
    for (const CallSite& s : r.call_sites)
      olds.insert(s.old_return - 1), news.insert(s.new_return - 1);
  auto x = true_lines(with_lines.old_path, olds), y = true_lines(with_lines.new_path, news);
  Sites out;
  for (const FunctionResult& r : a.functions) {
    if (r.old_index == kNone || r.new_index == kNone) continue;
    out.found.good += r.call_sites.size();
    out.found.all += std::min(r.old_sites, r.new_sites);
    for (const CallSite& s : r.call_sites) {
      const std::string &l = x[s.old_return - 1], &m = y[s.new_return - 1];
      if (l.empty() || l[0] == '?' || m.empty() || m[0] == '?') continue;
      ++out.right.all;
      out.right.good += l == m;
      if (l != m && getenv("MX_SHOW"))
        std::fprintf(stderr, "site %s %lx %lx: %s %s\n", a.name_of(r).c_str(), s.old_return,
                     s.new_return, l.c_str(), m.c_str());
    }
  }
  return out;
}

struct Totals {
  Rate named_found, named_precise, named_right, named_wrong, found, precise, right, wrong, sites,
      sites_found, stripped_sites;
};

void measure(const Pair& pair, const std::string& label, Totals& t) {
  Truth old_truth(pair.old_path), new_truth(pair.new_path);
  auto named = analyze_pair(pair);
  Found f = discovery(*named->versions.new_program, new_truth);
  Matching m = matching(*named, old_truth, new_truth);
  Sites s = call_sites(*named, pair);
  auto bare = analyze_pair(stripped(pair));
  Found g = discovery(*bare->versions.new_program, new_truth);
  Matching n = matching(*bare, old_truth, new_truth);
  Sites u = call_sites(*bare, pair);
  std::printf(
      "%-26s named: found %s right %s sites %s found %s | stripped: found %s precise %s right %s "
      "wrong %s sites %s\n",
      label.c_str(), shown(f.recall).c_str(), shown(m.right).c_str(), shown(s.right).c_str(),
      shown(s.found).c_str(), shown(g.recall).c_str(), shown(g.precision).c_str(),
      shown(n.right).c_str(), shown(n.wrong).c_str(), shown(u.right).c_str());
  t.named_found += f.recall, t.named_precise += f.precision, t.named_right += m.right,
      t.named_wrong += m.wrong;
  t.sites += s.right, t.sites_found += s.found;
  t.found += g.recall, t.precise += g.precision, t.right += n.right, t.wrong += n.wrong,
      t.stripped_sites += u.right;
}

void expect_bars(const Totals& t) {
  std::printf("TOTAL named: found %s precise %s right %s wrong %s; call sites right %s found %s\n",
              shown(t.named_found).c_str(), shown(t.named_precise).c_str(),
              shown(t.named_right).c_str(), shown(t.named_wrong).c_str(), shown(t.sites).c_str(),
              shown(t.sites_found).c_str());
  std::printf("TOTAL stripped: found %s precise %s right %s wrong %s; call sites right %s\n",
              shown(t.found).c_str(), shown(t.precise).c_str(), shown(t.right).c_str(),
              shown(t.wrong).c_str(), shown(t.stripped_sites).c_str());
  EXPECT_EQ(t.named_found.good, t.named_found.all);
  EXPECT_EQ(t.named_precise.good, t.named_precise.all);
  EXPECT_EQ(t.named_right.good, t.named_right.all);
  EXPECT_EQ(t.named_wrong.good, 0u);
  EXPECT_GE(t.found.share(), 0.99);
  EXPECT_GE(t.precise.share(), 0.99);
  EXPECT_GE(t.right.share(), 0.97);
  EXPECT_LE(t.wrong.share(), 0.01);
  EXPECT_GE(t.sites.share(), 0.995);
  EXPECT_GE(t.stripped_sites.share(), 0.995);
}

std::string corpus(const std::string& name) { return std::string(MX_CORPUS) + "/" + name; }

class GroundTruth : public ::testing::Test {
 protected:
  TempFolder folder_;
};

void measure_generated(TempFolder& folder, const std::vector<Toolchain>& toolchains) {
  write_file(folder / "many.c", generate_program(7, 260).source);
  Totals t;
  for (const Toolchain& tools : toolchains)
    measure(build_pair(folder, folder / "many.c", tools), tools.label(), t);
  expect_bars(t);
}

constexpr const char *kPie = " -fPIE -pie", *kNoPie = " -fno-pie -no-pie";

std::vector<Toolchain> all_levels(const char* even, const char* odd) {
  std::vector<Toolchain> list;
  for (const char* compiler : {"gcc", "clang"})
    for (int level = 0; level < 4; level++)
      list.push_back({compiler, "-O" + std::to_string(level) + (level % 2 ? odd : even)});
  return list;
}

TEST_F(GroundTruth, GeneratedPrograms) {
  std::vector<Toolchain> list = all_levels(kPie, kNoPie);
  list.push_back({"gcc", "-O2 -flto"});
  measure_generated(folder_, list);
}

TEST_F(GroundTruth, OtherGeneratedPrograms) {
  measure_generated(folder_, all_levels(kNoPie, kPie));
}

TEST_F(GroundTruth, HandWrittenPrograms) {
  Totals t;
  for (const char* level : {"-O0", "-O2", "-O3"}) {
    for (const char* compiler : {"gcc", "clang"}) {
      Toolchain tools{compiler, level};
      measure(build_pair(folder_, corpus("shop.c"), tools), "shop " + tools.label(), t);
    }
    for (const char* compiler : {"g++", "clang++"}) {
      Toolchain tools{compiler, level};
      measure(build_pair(folder_, corpus("zoo.cpp"), tools), "zoo " + tools.label(), t);
    }
  }
  expect_bars(t);
}

// Without optimisation nothing spreads: exactly the edited functions are changed.
TEST_F(GroundTruth, ExactlyTheEditsAtO0) {
  Generated g = generate_program(11, 200);
  write_file(folder_ / "many.c", g.source);
  for (const char* compiler : {"gcc", "clang"})
    for (const char* pie : {"-fPIE -pie", "-fno-pie -no-pie"}) {
      Toolchain tools{compiler, std::string("-O0 ") + pie};
      auto a = analyze_pair(build_pair(folder_, folder_ / "many.c", tools));
      std::set<std::string> changed, added, removed;
      for (const FunctionResult& r : a->functions) {
        if (r.status == FunctionStatus::changed) changed.insert(a->name_of(r));
        if (r.status == FunctionStatus::added) added.insert(a->name_of(r));
        if (r.status == FunctionStatus::removed) removed.insert(a->name_of(r));
      }
      std::set<std::string> edits = g.edited;
      edits.insert("main");  // it calls what was added and removed
      EXPECT_EQ(changed, edits) << tools.label();
      EXPECT_EQ(added, g.added) << tools.label();
      EXPECT_EQ(removed, g.removed) << tools.label();
    }
}

// Every edited function is changed at every level.
TEST_F(GroundTruth, EditsAreNeverMissed) {
  Generated g = generate_program(13, 120);
  write_file(folder_ / "many.c", g.source);
  for (const char* compiler : {"gcc", "clang"})
    for (const char* level : {"-O1", "-O2", "-O3"}) {
      auto a = analyze_pair(build_pair(folder_, folder_ / "many.c", {compiler, level}));
      for (const FunctionResult& r : a->functions)
        if (g.edited.count(a->name_of(r))) {
          EXPECT_EQ(r.status, FunctionStatus::changed) << compiler << level << a->name_of(r);
        }
    }
}

// gcc writes the stack use of each function; a claimed depth at a call is that, plus pushed
// arguments.
TEST_F(GroundTruth, FrameSizesAgreeWithStackUsage) {
  Generated g = generate_program(17, 150);
  write_file(folder_ / "many.c", g.source);
  Rate right, known;
  for (const char* level : {"-O0", "-O1", "-O2", "-O3"}) {
    std::string flags = std::string(level) + " -fno-pie -no-pie";
    run("cd " + folder_.path() + " && gcc -w " + flags +
        " -fstack-usage -c many.c -o many.o && gcc -w " + flags + " -g many.c -o many");
    std::map<std::string, uint32_t> usage;
    std::ifstream in(folder_ / "many.su");
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line.substr(line.rfind(':') + 1));
      std::string name, kind;
      uint32_t bytes;
      words >> name >> bytes >> kind;
      if (kind == "static") usage[name] = bytes;
    }
    auto a = analyze_pair({folder_ / "many", folder_ / "many"});
    for (const FunctionResult& r : a->functions) {
      auto it = usage.find(a->name_of(r));
      if (it == usage.end()) continue;
      for (const CallSite& s : r.call_sites) {
        ++known.all;
        if (!s.old_depth) continue;
        ++known.good;
        ++right.all;
        right.good += *s.old_depth == it->second;
        EXPECT_EQ(*s.old_depth, it->second) << a->name_of(r) << " " << level;
      }
    }
  }
  std::printf("frame sizes: right %s, claimed %s\n", shown(right).c_str(), shown(known).c_str());
  EXPECT_EQ(right.good, right.all);
  EXPECT_GE(known.share(), 0.99);
}

}  // namespace
}  // namespace mx::analyzer::test
