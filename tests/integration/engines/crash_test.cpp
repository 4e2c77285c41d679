// A version that crashes in a container is carried over the crash with the other version's code:
// the analysis runs in the container, where the files are.
#include <set>

#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

class Crash : public Workshop, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    make_trees();
    setenv("ROOT", (folder_ / "rt").c_str(), 1);
    const std::string compile = "gcc -O1 " MX_SOURCE "/tests/integration/engines/support/faulty.c";
    ok(compile + " -o $W/old/bin/faulty && " + compile + " -DBROKEN -o $W/new/bin/faulty");
    ok("for v in old new; do for f in $(ldd $W/$v/bin/faulty | grep -o '/lib[^ ]*' | sort -u); do "
       "mkdir -p $W/$v$(dirname $f); cp -L $f $W/$v$f; done; done");
    ok("$IMAGE image add app:new dir:$W/new");
  }

  // One line, one answer.
  void say(const std::string& line) {
    ok("echo " + line + " > $W/say");
    expect_lines(
        "m", "^line " + std::to_string(++said_) + ", " + std::to_string(line.size()) + " letters$",
        1);
  }

  // Checkpoints are made while the program does something.
  bool talk_until_checkpoints() {
    for (int i = 0; i < 200; ++i) {
      say("word");
      if (shell("$MX status --json m | jq -e '.checkpoints | .old.asleep and .new.asleep'")
              .status == 0)
        return true;
    }
    return false;
  }

  void carry_over(const std::string& leader, const Json& seccomp);

  int said_ = 0;
};

// What an engine gives a container without further rights, as podman makes it of
// containers-common's profile; older ones (docker's up to 20.10) refuse what looks into other
// processes, so this does.
Json engines_profile() {
  const Json file = Json::parse(ok("cat /usr/share/containers/seccomp.json"));
  const std::set<std::string> refused = {
      "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise"};
  Json rules = Json::array();
  for (Json rule : file["syscalls"]) {
    const bool needs_rights = rule.contains("includes") && rule["includes"].contains("caps");
    const bool elsewhere = rule.contains("includes") && rule["includes"].contains("arches") &&
                           rule["includes"]["arches"].dump().find("amd64") == std::string::npos;
    if (rule["action"] != "SCMP_ACT_ALLOW" || needs_rights || elsewhere) continue;
    Json names = Json::array();
    for (const Json& name : rule["names"])
      if (!refused.contains(name.get<std::string>())) names.push_back(name);
    Json out = {{"names", names}, {"action", "SCMP_ACT_ALLOW"}};
    if (rule.contains("args") && rule["args"].is_array()) out["args"] = rule["args"];
    rules.push_back(out);
  }
  return {{"defaultAction", "SCMP_ACT_ERRNO"},
          {"architectures", {"SCMP_ARCH_X86_64"}},
          {"syscalls", rules}};
}

void Crash::carry_over(const std::string& leader, const Json& seccomp) {
  Json config = default_config();
  if (!seccomp.is_null()) config["linux"]["seccomp"] = seccomp;
  config["process"]["args"] = {"/bin/faulty"};
  config["process"]["rlimits"][0]["soft"] = 1024;
  config["annotations"] = {{"run.mx.new", "image:app:new"}, {"run.mx.leader", leader}};
  write_config(config);
  start_container(runtime(), "m");
  expect_lines("m", "^ready$", 1);
  for (int crashes = 1; crashes <= 2; ++crashes) {
    ASSERT_TRUE(talk_until_checkpoints()) << ok("$MX status --json m");
    say("boom");
    ASSERT_TRUE(wait_for("[ $(grep -c '\"recovery\"' $W/state/m/out/report.jsonl) = " +
                         std::to_string(crashes) + " ]"))
        << report();
    const std::string last = "grep '\"recovery\"' $W/state/m/out/report.jsonl | tail -1 | jq -r ";
    EXPECT_EQ(ok(last + ".version,.result"), "new\nresynchronised") << report();
    EXPECT_NE(ok(last + ".functions[]").find("measure"), std::string::npos) << report();
    // The folder of the crash names the place, for the host to read.
    const std::string folder =
        "$W/state/m/out/" +
        ok("grep '\"crash\"' $W/state/m/out/report.jsonl | tail -1 | jq -r .directory");
    EXPECT_TRUE(wait_for("grep -q measure " + folder + "/crash.txt")) << ok("ls " + folder);
  }
  say("last");
  EXPECT_EQ(report().find("\"dropped\""), std::string::npos) << report();
  ok("$R --root $ROOT kill m KILL");
}

TEST_P(Crash, TheOtherVersionsCodeCarriesItOver) { carry_over(GetParam(), nullptr); }

TEST_P(Crash, UnderAnEnginesProfileToo) { carry_over(GetParam(), engines_profile()); }

INSTANTIATE_TEST_SUITE_P(Leader, Crash, ::testing::Values("old", "new"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace mx::engines
